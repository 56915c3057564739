// ---- colours of shares, from dark for none to bright for all

const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];   // viridis
const EMBERS = [[40, 11, 84], [101, 21, 110], [187, 55, 84], [249, 142, 9], [252, 255, 164]];   // inferno
const STRONGER = 1.6;      // colours that lie over the image without contours

// The colour of a share in 0..1.
function shade(share, ramp = RAMP) {
  const place = share * (ramp.length - 1), low = Math.min(Math.floor(place), ramp.length - 2);
  return ramp[low].map((v, c) => Math.round(v + (place - low) * (ramp[low + 1][c] - v)));
}
