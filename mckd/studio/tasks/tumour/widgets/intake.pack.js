// ---- DICOM files travel in archives: hundreds of files with a request each would take minutes

const PARCEL_BYTES = 16 * 2 ** 20;          // before they are packed

// The files of an examination as entries of the list, some files in each.
function parcelsOf(scans) {
  const parcels = [];
  let room = 0;
  for (const scan of scans) {
    if (!parcels.length || scan.size > room) { parcels.push([]); room = PARCEL_BYTES; }
    parcels[parcels.length - 1].push(scan);
    room -= scan.size;
  }
  return parcels.map((some) => ({ path: 'DICOM files', size: some.reduce((sum, { size: bytes }) => sum + bytes, 0), read: () => pack(some) }));
}

// A ZIP archive of them, with numbers for names: what they are called may be a person's name.
async function pack(scans) {
  const parts = [], directory = [];
  let at = 0;
  for (const [number, scan] of scans.entries()) {
    const bytes = new Uint8Array(await (await scan.read()).arrayBuffer()), name = new TextEncoder().encode(String(number));
    const packed = new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate-raw'))).arrayBuffer());
    const said = (signature, long, fields) => {
      const view = new DataView(new ArrayBuffer(long));
      view.setUint32(0, signature, true);
      for (const [place, value, two] of fields) view[two ? 'setUint16' : 'setUint32'](place, value, true);
      return view;
    };
    const sum = (crc32(bytes, -1) ^ -1) >>> 0;
    const head = said(HERE, 30, [[4, 20, true], [8, DEFLATED, true], [14, sum], [18, packed.length], [22, bytes.length], [26, name.length, true]]);
    directory.push(said(LISTED, 46, [[4, 20, true], [6, 20, true], [10, DEFLATED, true], [16, sum], [20, packed.length], [24, bytes.length], [28, name.length, true], [42, at]]), name);
    parts.push(head, name, packed);
    at += 30 + name.length + packed.length;
  }
  const listed = directory.reduce((sum, part) => sum + part.byteLength, 0), end = new DataView(new ArrayBuffer(END_BYTES));
  end.setUint32(0, END, true);
  for (const place of [8, 10]) end.setUint16(place, scans.length, true);
  end.setUint32(12, listed, true);
  end.setUint32(16, at, true);
  return new File([...parts, ...directory, end], 'scans.zip');
}
