"""Words that names of image files are made of, each with what it tells; in several languages.

Spelled as `naming` folds them: lower case, no accents. A word that is not here is an unknown word.
"""

from __future__ import annotations

from enum import Enum, auto


class Kind(Enum):
    """What a word tells of an image."""

    FLAIR = auto()
    T1 = auto()
    T2 = auto()
    T1_LIKE = auto()  # a technique for T1 images
    SEG = auto()
    AGENT = auto()  # contrast agent, or that there is one
    C = auto()  # `c` for contrast, but only beside T1 or a sign
    PLAIN = auto()  # without contrast
    NOT = auto()
    WITH = auto()
    AFTER = auto()  # contrast, or an event
    BEFORE = auto()
    EVENT = auto()  # treatment, or a time
    TO = auto()  # what follows is the space that the image was brought into
    PLACE = auto()  # a template, or the word space
    OTHER = auto()  # an image computed from others, or another kind of image
    MASK = auto()  # like OTHER; of a tumour it is a segmentation
    TUMOUR = auto()
    ANATOMY = auto()
    GRADIENT = auto()  # T2 with it may be T2*
    IDLE = auto()  # how and along which plane, what was done to it, who keeps it
    WHO = auto()  # a case, a visit, a series
    NUMBER = auto()
    UNKNOWN = auto()


SEQUENCE_KINDS = frozenset({Kind.FLAIR, Kind.T1, Kind.T2})
CONTRAST_KINDS = frozenset(
    {Kind.AGENT, Kind.C, Kind.PLAIN, Kind.NOT, Kind.WITH, Kind.AFTER, Kind.BEFORE}
)

_WORDS = {
    Kind.FLAIR: "flair flairw tirm darkfluid t2f t2flair spcir",
    Kind.T1: "t1 t1w t1wi t1weighted",
    Kind.T2: "t2 t2w t2wi t2weighted",
    Kind.T1_LIKE: """
        mprage mpr bravo spgr fspgr irfspgr efgre3d vibe thrive ethrive lava tfl tfl3d
        tfe
    """,
    Kind.SEG: """
        seg segm dseg segmentation segmentations segmented label labels labelmap gtv gt
        groundtruth truth annotation annotations annotated tumorseg tumourseg
    """,
    Kind.AGENT: """
        agent 增强后 增强後
        ce gd gad gado gadolinium gadolinio gadolin dtpa gdtpa gddtpa ks km kontrast
        kontrastmittel kontrastem kontrastli kontrastmiddel contrast contrasted
        contraste contrasto contrastado contrastada contrastmedium contraststof
        contrastenhanced contrastagent mdc enh enhanced enhancement enhancing inj
        injected injection injecte injecao iniezione inyeccion postcontrast postgad
        postgado postgd postkm postce postc postcon postinj gadovist gadavist gadobutrol
        dotarem clariscan gadoterate gadoterat gadoteric artirem magnevist gadopentetate
        gadopentetat prohance gadoteridol multihance gadobenate gadobenat omniscan
        gadodiamide gadodiamid optimark gadoversetamide primovist eovist gadoxetate
        vueway elucirem gadopiclenol dotagraf cyclolux 增强 增強 强化 強化 造影 造影後 造影剂 造影剤
        조영 조영증강 조영제 контраст контрастом контрастный zengqiang zengqiangshaomiao zaoying
        poscontraste
    """,
    Kind.C: "c",
    Kind.PLAIN: """
        basale basali 增强前 增強前
        nativ native nativo nativa natif nativni natywny blanco plain unenhanced unenh
        contrastfree nonenhanced noncontrast noncontrasted noncon nonce nongad nongd nc
        precontrast pregad pregado pregd prekm prece prec precon preinj nogad nogado
        nogd nocontrast nokm noce kontrastsiz 平扫 平掃 单纯 単純 造影前 조영전 нативный pingsao
        pingsaoshaomiao
    """,
    Kind.NOT: """
        no non not without wo ohne sans sin senza sem zonder bez utan uten uden minus 无
        無 без kein keine nein nicht aucun aucune
    """,
    Kind.WITH: "with w mit avec con com met med plus s",
    Kind.AFTER: "post nach apres despues dopo apos after po na pos",
    Kind.BEFORE: "pre vor avant antes prima voor before przed",
    Kind.EVENT: """
        op ops operation operative operatively surgery surg surgical resection resected
        rt xrt crt radiation radiotherapy radio radiochemo radiochemotherapy rtx chemo
        chemotherapy ctx tx treatment therapy biopsy bx ablation litt srs gk gammaknife
        tmz temozolomide bev avastin bevacizumab immunotherapy craniotomy embolization
        embolisation relapse recurrence progression baseline basal day days week weeks
        wk month months mth year years operativ operatoire operatorio quirurgico
    """,
    Kind.TO: "to in into on onto",
    Kind.PLACE: """
        space mni mni152 mni305 icbm icbm152 talairach sri24 sri standard ref reference
        fixed
    """,
    Kind.OTHER: """
        mckd map maps mapping mapped prob probs probability probabilities probmap probseg pve
        pveseg pves mixeltype brainmask diff difference differences subtraction
        subtracted subtract subtr subtrac sub ratio quotient adc dwi trace tracew eadc
        fa md rd dti dki noddi tensor bval bvec bvals bvecs b0 b50 b500 b800 b1000 b2000
        b3000 cbv rcbv ncbv cbf rcbf mtt tmax ttp ktrans kep auc dsc dce asl pcasl pasl
        perfusion perf pwi swi swan minip mip phase phasediff pha magnitude mag t2star
        t2s r2star t1rho t2rho qsm mra tof tof3d mrv pca cta ct pet fdg mrs csi
        spectroscopy spectro localizer localiser localizador localizzatore lokalizer loc
        survey scout aahead aascout topogram calibration calib asset mosaic mean average
        std stddev sdev stdev variance var jacobian jac jacdet warpfield field fieldmap
        fmap deformation displacement transform xfm matrix atlas template templates
        thickness curvature distance distancemap dist heatmap saliency uncertainty
        entropy confidence logit logits softmax pred predicted prediction predictions
        output inference simulated synthetic synth synthesized pseudo virtual bold func
        rest epi sbref pd pdw dir csf gm wm gray grey white tissue tissues sulci lut
        histogram error residual residuals rms snr noise biasfield fieldbias screenshot
        preview thumbnail overlay checkerboard dose ctv ptv parametric quantitative
        relaxometry relaxation mtr mt mtsat hemo weightmap attention gradcam superpixels
        edges gradientmap c1t1 c2t1 c3t1 概率 概率图 差 差分 减影 減影 差异
    """,
    Kind.MASK: "mask masks roi rois voi contour contours outline",
    Kind.TUMOUR: """
        tumor tumour tumors tumours tumoral tumeur tumore glioma gliomas glioblastoma
        gbm lesion lesions lesional meningioma metastasis metastases mets hgg lgg
    """,
    Kind.ANATOMY: "brain head skull cerebrum cerebral cranial cranium parenchyma hirn kopf cerebro",
    Kind.GRADIENT: "gre gr ge ffe flash fl2d fl3d fl merge medic star",
    Kind.IDLE: """
        oax osag ocor gabe administration vista longtr reoriented reorient 加权 加權
        ax axi axial sag sagittal cor coronal tra trans transverse transversal
        transaxial obl oblique 2d 3d 2dse mr mri nmr irm rm image images img imgs scan
        raw orig original vol volume nii nifti dicom tse se fse frfse frfsexl ir irfse
        mprages cube isotropic iso hr highres lowres hires spc spcr sc res resolution
        thin thick slice slices mm msec gap p2 p3 p4 acc sense ipat grappa caipi dixon
        mdixon ddixon propeller blade multivane radial fs fatsat fatsup fatsuppressed
        fatsupp fat sat spir spair we ns dis2d dis3d nd norm ori dfc filt filtered
        filter rec recon reconstructed reformat reformatted mprs stripped strip
        skullstripped skullstrip skullstripping noskull deskulled stripping extracted
        extraction bet bet2 hdbet synthstrip masked defaced deface anon anonymized
        anonymised reg registered registration regd coreg coregistered coregister rigid
        rigidly affine aligned alignment align resampled resample resliced reslice
        resized rsl warped normalized normalised normalize normalise normed preproc
        preprocessed processed proc desc acq n3 n4 n4itk bias biascorr biascorrected
        corrected corr unbiased denoised denoise smoothed smooth cropped crop padded pad
        lps ras lpi rai rsri r2s final new copy tmp temp good ok best default main
        weighted wi wtd sequence seq series unstripped whole full standardised
        standardized zscore zscored scaled float float32 int16 uint16 siemens philips
        toshiba hitachi prisma skyra trio verio aera avanto vida ingenia achieva
        discovery signa optima hdxt wip product ssfse irprep intraop intraoperative io
        manual manually expert rater consensus automated auto approx edited revised
        refined merged fused multi single modal modality adult human 轴位 轴 轴位像 矢状 矢状位 冠状
        冠状位 横断 横断位 头颅 头部 颅脑 扫描
    """,
    Kind.WHO: """
        case cases casus patient patients pat pt pts subject subj sbj id pid uid mrn
        study exam session ses visit vis timepoint tp time followup fup fu control run
        hospital centre center site ser phantom sample example test demo train training
        val validation brats brats17 brats18 brats19 brats20 brats2017 brats2018 brats2019 brats2020
        brats2021 brats2023 brats2024 bratsgli tcga tcia upenn ucsf pdgm lumiere
        rembrandt ivygap egd msd cptac utsw rhuh mu patientid acrin qin hf cbica fu1 fu2
        x y z ms
    """,
}  # fmt: skip
# Words that hold two things.
_JOINED = {
    "t1n": (Kind.T1, Kind.PLAIN),
    "t1pre": (Kind.T1, Kind.PLAIN),
    "t1c": (Kind.T1, Kind.AGENT),
    "t1wc": (Kind.T1, Kind.AGENT),
    "ct1": (Kind.AGENT, Kind.T1),
    "ct1w": (Kind.AGENT, Kind.T1),
    "ct1wi": (Kind.AGENT, Kind.T1),
    "t1g": (Kind.T1, Kind.UNKNOWN),
}


def _vocabulary() -> dict[str, tuple[Kind, ...]]:
    """Every word with what it tells."""
    words: dict[str, tuple[Kind, ...]] = dict(_JOINED)
    for kind, listed in _WORDS.items():
        for word in listed.split():
            words[word] = (kind,)
    return words


VOCABULARY = _vocabulary()
PREFIXES = ("r", "w", "m", "s")  # SPM's and Philips's, right before a sequence
