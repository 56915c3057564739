// ---- colours of shares, from dark for none to bright for all

const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];   // viridis
const EMBERS = [[40, 11, 84], [101, 21, 110], [187, 55, 84], [249, 142, 9], [252, 255, 164]];   // inferno
const STRONGER = 1.6;      // colours that lie over the image without contours

// The colour of a share in 0..1.
function shade(share, ramp = RAMP) {
  const place = share * (ramp.length - 1), low = Math.min(Math.floor(place), ramp.length - 2);
  return ramp[low].map((v, c) => Math.round(v + (place - low) * (ramp[low + 1][c] - v)));
}

// ---- what is known of a region's voxels: a share of each by its probability, and its colours

const entropy = (p) => (p <= 0 || p >= 1 ? 0 : -p * Math.log2(p) - (1 - p) * Math.log2(1 - p));
const MAPS = {
  probability: { share: (p) => p, ramp: RAMP, title: (name) => `Probability of ${name}`, ends: ['0', '1'] },
  uncertainty: { share: entropy, ramp: EMBERS, title: (name) => `Uncertainty of ${name}`, ends: ['0', '1 bit'] },
};
const MEANT = {
  probability: 'of voxels with .7, seven in ten are in it',
  uncertainty: 'entropy: 0 certain, 1 where the probability is .5',
};
const FAINTEST = 0.3;      // how much of its colour the smallest share has

const meaningOf = (look, calibrated) => (calibrated ? MEANT[look] : `not calibrated${look === 'uncertainty' ? `; ${MEANT.uncertainty}` : ''}`);
const gradientOf = (ramp) => `linear-gradient(90deg, ${ramp.map((colour) => paint(colour)).join(', ')})`;

// The colour of each byte.
function shadesOf({ share, ramp }) {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    const part = share(byte / 255), alpha = byte ? Math.round(255 * (FAINTEST + (1 - FAINTEST) * part)) : 0;
    return ((pixel(shade(part, ramp)) & 0xffffff) | (alpha << 24)) >>> 0;
  });
}

// The bytes of a region, one for each voxel of the case; of three maps in the order of REGIONS.
const spreadOf = (bytes, region) => spread(bytes, scene.case.shape, REGIONS.findIndex(({ key }) => key === region));

function spellShare(byte, region) {
  const name = region.toUpperCase(), p = byte / 255;
  return byte ? `${name} ${Math.round(100 * p)} %, uncertainty ${entropy(p).toFixed(2)} bit` : `${name} below 1 %`;
}
