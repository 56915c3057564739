// ---- what was dropped or chosen, as a list of files: folders and ZIP archives are walked through

// A file of the list: {path, size, read}. `read` gives the File and is called only for what is
// opened, one after the other, so that no more than one is unpacked at any time.

const MOST_SEEN = 20000, DEEPEST = 16;
const LARGEST = 64 * 2 ** 20;               // of one file, as the server takes it
const LARGEST_DIRECTORY = 8 * 2 ** 20;      // of a ZIP archive
const MOST_SCANS = 6000, LARGEST_STUDY = 2 ** 30;   // of the DICOM files of one drop
const NIFTI = /\.nii(\.gz)?$/i, SCAN = /\.(dcm|dicom|ima)$/i, ENDING = /\.[a-z]\w*$/i, HIDDEN = /(^|\/)(\.|__MACOSX(\/|$)|Thumbs\.db$|desktop\.ini$)/i;
const TOO_LARGE = 'larger than 64 MB; save it as .nii.gz';
const INDEX = /(^|\/)DICOMDIR$/i;
const WHY = [
  [INDEX, 'the index of a disc; the images are read themselves'],
  [/\.(hdr|img)(\.gz)?$/i, 'one half of a pair; save it as one .nii.gz'],
  [/\.(mgz|mgh|nrrd|nhdr|mha|mhd|mnc)$/i, 'an image of another format; save it as .nii.gz'],
  [/\.zip$/i, 'an archive inside another; unpack it first'],
  [/\.(tar|tgz|gz|bz2|xz|7z|rar)$/i, 'packed; only folders and ZIP archives are looked into'],
  [/\.(wav|wave|aiff?|mp3|m4a|ogg|opus|flac|webm)$/i, 'a sound; drop it while the Digits tab is open'],
  [/./, 'neither NIfTI (.nii or .nii.gz) nor DICOM'],
];

// entries: FileSystemEntry objects of a drop, or files. Returns {files, scans, left: [{path, why}]}:
// NIfTI files, DICOM files.
async function gather(entries) {
  const found = { files: [], scans: [], left: [], seen: 0, scanned: 0 };
  for (const entry of entries) {
    if (entry instanceof File) await notice(entry, entry.webkitRelativePath || entry.name, found);
    else await walk(entry, found, 0);
  }
  return found;
}

async function walk(entry, found, depth) {
  const path = entry.fullPath.replace(/^\//, '');
  if (found.seen > MOST_SEEN || HIDDEN.test(path)) return;
  try {
    if (entry.isFile) return await notice(await new Promise((done, fail) => entry.file(done, fail)), path, found);
    if (depth === DEEPEST) return void found.left.push({ path, why: 'too many folders deep' });
    const reader = entry.createReader();
    for (;;) {                                                   // it tells a hundred at a time
      const some = await new Promise((done, fail) => reader.readEntries(done, fail));
      if (!some.length) return;
      for (const one of some) await walk(one, found, depth + 1);
    }
  } catch (error) {
    found.left.push({ path, why: 'not readable for this browser' });
  }
}

// One file of a folder, or an archive in it.
async function notice(file, path, found) {
  if (HIDDEN.test(path)) return;
  found.seen++;
  if (found.seen > MOST_SEEN) { if (found.seen === MOST_SEEN + 1) found.left.push({ path, why: `after the first ${MOST_SEEN} files; open a smaller folder` }); return; }
  if (/\.zip$/i.test(path)) return listZip(file, path, found);
  if (NIFTI.test(path)) return accept(found, { path, size: file.size, read: async () => file });
  if (!INDEX.test(path) && (SCAN.test(path) || await isDicom(file, path))) return acceptScan(found, { path, size: file.size, read: async () => file });
  found.left.push({ path, why: whyNot(path) });
}

function accept(found, entry) {
  if (entry.size > LARGEST) found.left.push({ path: entry.path, why: TOO_LARGE });
  else if (!entry.size) found.left.push({ path: entry.path, why: 'empty' });
  else found.files.push(entry);
}

function acceptScan(found, entry) {
  if (!entry.size) return;
  if (entry.size > LARGEST) found.left.push({ path: entry.path, why: 'larger than 64 MB' });
  else if (found.scans.length >= MOST_SCANS || found.scanned + entry.size > LARGEST_STUDY) found.left.push({ path: entry.path, why: 'beyond 1 GB of DICOM files; drop one examination at a time' });
  else { found.scanned += entry.size; found.scans.push(entry); }
}
const whyNot = (path) => WHY.find(([kind]) => kind.test(path))[1];

// Files of a scanner often have no ending; DICOM has its name after 128 bytes.
async function isDicom(file, path) {
  return !ENDING.test(path) && await file.slice(128, 132).text().catch(() => '') === 'DICM';
}

// ---- ZIP: the directory at its end says what is in it; an entry is unpacked when it is opened

const END = 0x06054b50, LISTED = 0x02014b50, HERE = 0x04034b50;   // how its parts begin
const END_BYTES = 22, LONGEST_REMARK = 0xffff, FULL_32 = 0xffffffff;
const STORED = 0, DEFLATED = 8;

async function listZip(archive, path, found) {
  const folder = found.seen > 1 || path.includes('/') ? path.replace(/\.zip$/i, '') + '/' : '';   // one alone needs no name
  let listed;
  try { listed = await directoryOf(archive); } catch (error) { return void found.left.push({ path, why: error.message }); }
  for (const { name, ...entry } of listed) {
    const inside = folder + name, read = () => unzip(archive, nameOf(name), entry);
    if (HIDDEN.test(name) || name.endsWith('/')) continue;
    if (found.seen++ > MOST_SEEN) return;
    const scan = !NIFTI.test(name) && !INDEX.test(name) && (SCAN.test(name) || !ENDING.test(name));   // what it is, the server sees
    if (!scan && !NIFTI.test(name)) found.left.push({ path: inside, why: whyNot(name) });
    else if (entry.locked) found.left.push({ path: inside, why: 'locked by a password; unpack it first' });
    else if (![STORED, DEFLATED].includes(entry.method)) found.left.push({ path: inside, why: 'packed in a way that browsers cannot read; unpack it first' });
    else (scan ? acceptScan : accept)(found, { path: inside, size: entry.size, read });
  }
}

// The entries that an archive lists: {name, method, locked, crc, packed, size, at}; throws an Error
// whose message completes 'X is ...'.
async function directoryOf(archive) {
  const damaged = new Error('damaged, or no ZIP archive');
  const tail = Math.max(0, archive.size - END_BYTES - LONGEST_REMARK), last = new DataView(await archive.slice(tail).arrayBuffer());
  let end = last.byteLength - END_BYTES;
  while (end >= 0 && last.getUint32(end, true) !== END) end--;
  if (end < 0) throw damaged;
  const count = last.getUint16(end + 10, true), bytes = last.getUint32(end + 12, true), from = last.getUint32(end + 16, true);
  if (count === 0xffff || from === FULL_32) throw new Error('a ZIP archive of the large kind (ZIP64); unpack it and drop the folder');
  if (bytes > LARGEST_DIRECTORY) throw new Error('a ZIP archive with too many files; unpack it and drop a folder of it');
  const before = tail + end - bytes - from;                      // of a program in front of the archive
  if (before < 0) throw damaged;
  const view = new DataView(await archive.slice(from + before, from + before + bytes).arrayBuffer()), listed = [];
  for (let at = 0; listed.length < count; ) {
    if (at + 46 > view.byteLength || view.getUint32(at, true) !== LISTED) throw damaged;
    const [long, extra, remark] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    if (at + 46 + long > view.byteLength) throw damaged;
    listed.push({
      name: spelt(new Uint8Array(view.buffer, at + 46, long)), locked: Boolean(view.getUint16(at + 8, true) & 1),
      method: view.getUint16(at + 10, true), crc: view.getUint32(at + 16, true), packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true), at: view.getUint32(at + 42, true) + before,
    });
    at += 46 + long + extra + remark;
  }
  return listed;
}

// A name is UTF-8, whatever the archive says of it; else it is from an older program.
function spelt(bytes) {
  try { return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replaceAll('\\', '/'); } catch (error) { return new TextDecoder('windows-1252').decode(bytes).replaceAll('\\', '/'); }
}

// An entry as a File. Never more bytes than it lists, so that no archive can fill the memory.
async function unzip(archive, name, { at, method, packed, size, crc }) {
  const damaged = new Error(`${name} is damaged in the archive.`), head = new DataView(await archive.slice(at, at + 30).arrayBuffer());
  if (head.byteLength < 30 || head.getUint32(0, true) !== HERE) throw damaged;
  const from = at + 30 + head.getUint16(26, true) + head.getUint16(28, true), whole = archive.slice(from, from + packed).stream();
  const reader = (method === STORED ? whole : whole.pipeThrough(new DecompressionStream('deflate-raw'))).getReader(), parts = [];
  let length = 0, sum = -1;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > size) throw damaged;
      sum = crc32(value, sum);
      parts.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    throw damaged;
  }
  if (length !== size || (sum ^ -1) >>> 0 !== crc) throw damaged;
  return new File(parts, name);
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => { for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1; return byte >>> 0; });
function crc32(bytes, sum) {
  for (const byte of bytes) sum = CRC[(sum ^ byte) & 255] ^ (sum >>> 8);
  return sum;
}
