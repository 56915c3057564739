const RATE = 16000, LONGEST_S = 10, RECORD_S = 3, PAUSE_S = 0.7, MAX_FILE = 15e6;
const root = element.querySelector('.voice');
const canvas = element.querySelector('canvas');
const level = element.querySelector('.meter i');
const tell = element.querySelector('.tell'), say = element.querySelector('.say');
const recordButton = element.querySelector('.record'), recordWord = element.querySelector('.record .word');
const playButton = element.querySelector('.play'), clearButton = element.querySelector('.clear');
const picker = element.querySelector('.load input');

const OTHERWISE = 'You can load a sound file or use an example; drawing works without it.';
const TROUBLE = {
  insecure: 'Browsers allow the microphone only over https or on this computer itself. ' + OTHERWISE,
  NotAllowedError: 'The microphone is blocked. Allow it next to the address bar, then press Record again. ' + OTHERWISE,
  SecurityError: 'This page may not use the microphone. ' + OTHERWISE,
  NotFoundError: 'No microphone was found. Connect one, then press Record again. ' + OTHERWISE,
  NotReadableError: 'Another program is using the microphone. Close it, then press Record again.',
  unreadable: 'This file cannot be read as sound. WAV, AIFF, MP3, M4A, OGG and WebM usually work.',
  large: 'This file is larger than 15 MB. Please load a recording of one word.',
  empty: 'Nothing was recorded. Please try again.',
  other: 'The microphone could not be started. ' + OTHERWISE,
};

let samples = null;      // Float32Array at 16 kHz
let word = null;         // [start_s, end_s] of what the model used
let session = null;      // the recording in progress
let playing = null;
let turn = 0;            // a slower load or permission answer of an earlier turn is dropped

function colour(name) { return getComputedStyle(root).getPropertyValue(name).trim(); }

function show() {
  root.classList.toggle('full', Boolean(samples));
  root.classList.toggle('live', Boolean(session));
  recordWord.textContent = session ? (session.open ? 'Stop' : 'Cancel') : 'Record';
  recordButton.setAttribute('aria-pressed', session ? 'true' : 'false');
  playButton.disabled = !samples || Boolean(session);
  playButton.textContent = playing ? 'Stop' : 'Play';
  clearButton.disabled = !samples || Boolean(session);
  if (!session) level.style.transform = 'scaleX(0)';
  paint();
}

// ---- the waveform

function paint() {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  if (!width) return;
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const pen = canvas.getContext('2d');
  pen.clearRect(0, 0, width, height);
  const wave = session ? session.peaks : samples;
  if (!wave || !wave.length) return;
  const seconds = session ? RECORD_S : samples.length / RATE;
  const inWord = (s) => !session && word && s >= word[0] && s <= word[1];
  if (!session && word) {
    pen.fillStyle = colour('--mk-digits-audio-soft');
    pen.fillRect((word[0] / seconds) * width, 0, ((word[1] - word[0]) / seconds) * width, height);
  }
  let loudest = 0.05;
  for (let i = 0; i < wave.length; i++) loudest = Math.max(loudest, Math.abs(wave[i]));
  const on = colour('--mk-digits-audio'), off = colour('--mk-line-strong');
  const columns = Math.floor(width / (2 * ratio));
  for (let c = 0; c < columns; c++) {
    let peak = 0;
    const perColumn = session ? (session.rate * RECORD_S) / session.block / columns : wave.length / columns;
    const from = Math.floor(c * perColumn), to = Math.max(from + 1, Math.floor((c + 1) * perColumn));
    if (from >= wave.length) break;
    for (let i = from; i < Math.min(to, wave.length); i++) peak = Math.max(peak, Math.abs(wave[i]));
    const tall = Math.max(ratio, (peak / loudest) * height * 0.86);
    pen.fillStyle = session || inWord((c / columns) * seconds) ? on : off;
    pen.fillRect(c * 2 * ratio, (height - tall) / 2, ratio * 1.3, tall);
  }
  if (playing) {
    const at = Math.min(1, (playing.context.currentTime - playing.started) / seconds);
    pen.fillStyle = colour('--mk-ink');
    pen.fillRect(at * width, 0, 1.5 * ratio, height);
  }
}

// ---- to Python

function encode(wave) {
  const bytes = new Uint8Array(wave.length * 2), view = new DataView(bytes.buffer);
  for (let i = 0; i < wave.length; i++) {
    view.setInt16(2 * i, Math.max(-32768, Math.min(32767, Math.round(wave[i] * 32767))), true);
  }
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

function use(wave) {
  const cut = wave.length > LONGEST_S * RATE;
  samples = cut ? wave.slice(0, LONGEST_S * RATE) : wave;
  word = null;
  say.textContent = '';
  tell.textContent = (samples.length / RATE).toFixed(2) + ' s' + (cut ? '. Only the first 10 seconds are used.' : '');
  props.value = { pcm: encode(samples), rate: RATE };
  show();
  trigger('input');
}

function remove() {
  turn++;
  stopPlaying();
  const had = Boolean(samples);
  samples = word = null;
  tell.textContent = say.textContent = '';
  show();
  if (had) { props.value = null; trigger('input'); }
}

function complain(kind) {
  say.textContent = TROUBLE[kind] || TROUBLE.other;
  show();
}

// What Python heard: which part of the recording is the word. Sent on by the verdict.
document.addEventListener('mckd:heard', ({ detail }) => {
  if (!samples || !detail) return;
  word = [detail.start_s, detail.end_s];
  const base = (samples.length / RATE).toFixed(2) + ' s';
  tell.textContent = `${base}. The word at ${word[0].toFixed(2)} to ${word[1].toFixed(2)} s was used.`;
  paint();
});

// ---- recording: raw samples from an audio worklet, so nothing is compressed on the way

const TAP = `registerProcessor('mckd-tap', class extends AudioWorkletProcessor {
  process(inputs) { if (inputs[0][0]) this.port.postMessage(inputs[0][0].slice()); return true; } })`;

async function record() {
  turn++;
  const mine = { turn, chunks: [], peaks: [], open: false, count: 0, rate: RATE, block: 128, loud: 0, quiet: 0 };
  stopPlaying();
  say.textContent = '';
  if (!window.isSecureContext || !navigator.mediaDevices) return complain('insecure');
  session = mine;
  tell.textContent = 'Waiting for the microphone…';
  show();
  try {
    mine.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false } });
    if (session !== mine) return close(mine);
    mine.context = new AudioContext();
    mine.rate = mine.context.sampleRate;
    const code = URL.createObjectURL(new Blob([TAP], { type: 'text/javascript' }));
    await mine.context.audioWorklet.addModule(code);
    URL.revokeObjectURL(code);
    await mine.context.resume();
    if (session !== mine) return close(mine);
    const tap = new AudioWorkletNode(mine.context, 'mckd-tap', { numberOfOutputs: 0 });
    tap.port.onmessage = ({ data }) => hear(mine, data);
    mine.context.createMediaStreamSource(mine.stream).connect(tap);
    mine.watchdog = setTimeout(() => stop(), (RECORD_S + 2) * 1000);  // a microphone that stays mute
  } catch (error) {
    close(mine);
    if (session === mine) { session = null; tell.textContent = ''; complain(error.name); }
  }
}

function hear(mine, block) {
  if (session !== mine) return;
  if (!mine.open) { mine.open = true; tell.textContent = 'Listening. It stops by itself.'; show(); }
  mine.chunks.push(block);
  mine.count += block.length;
  mine.block = block.length;
  let peak = 0;
  for (let i = 0; i < block.length; i++) peak = Math.max(peak, Math.abs(block[i]));
  mine.peaks.push(peak);
  // Stop early once something clearly louder than the room was said and a pause follows.
  mine.loud = Math.max(mine.loud, peak);
  mine.quiet = peak > 0.2 * mine.loud ? 0 : mine.quiet + block.length / mine.rate;
  if (!mine.frame) mine.frame = requestAnimationFrame(() => {
    mine.frame = 0;
    if (session !== mine) return;
    const now = Math.max(...mine.peaks.slice(-12));
    level.style.transform = `scaleX(${Math.min(1, Math.max(0, 1 + Math.log10(now + 1e-4) / 2.5)).toFixed(3)})`;
    paint();
  });
  const spoken = mine.loud > 0.04 && mine.count / mine.rate > 0.9 && mine.quiet > PAUSE_S;
  if (spoken || mine.count >= RECORD_S * mine.rate) stop();
}

function close(mine) {
  clearTimeout(mine.watchdog);
  if (mine.stream) mine.stream.getTracks().forEach((track) => track.stop());
  if (mine.context && mine.context.state !== 'closed') mine.context.close();
}

async function stop() {
  const mine = session;
  if (!mine) return;
  session = null;
  close(mine);
  tell.textContent = '';
  if (!mine.open) { show(); return; }
  const all = new Float32Array(mine.count);
  let at = 0;
  for (const chunk of mine.chunks) { all.set(chunk, at); at += chunk.length; }
  if (!all.length) return complain('empty');
  const offline = new OfflineAudioContext(1, Math.ceil((all.length * RATE) / mine.rate), RATE);
  const buffer = offline.createBuffer(1, all.length, mine.rate);
  buffer.copyToChannel(all, 0);
  const source = offline.createBufferSource();
  source.buffer = buffer;
  source.connect(offline.destination);
  source.start();
  const done = await offline.startRendering();
  if (mine.turn === turn) use(done.getChannelData(0));
}

recordButton.addEventListener('click', () => { if (session) stop(); else record(); });

// ---- files and examples: any format this browser can decode, and WAV and AIFF that the app can

// The mean of all channels; where they cancel each other out (one side reversed), the loudest one.
// mckd/digits/sound.py mixes by the same rule.
function mix(buffer, length) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, c) => buffer.getChannelData(c).subarray(0, length));
  const mono = new Float32Array(length);
  for (const channel of channels) for (let i = 0; i < length; i++) mono[i] += channel[i] / channels.length;
  const power = (wave) => {
    let sum = 0, squares = 0;
    for (const value of wave) { sum += value; squares += value * value; }
    return squares / length - (sum / length) ** 2;
  };
  const powers = channels.map(power), together = powers.reduce((a, b) => a + b, 0);
  const cancelled = power(mono) < 0.5 * together / channels.length ** 2;
  return cancelled ? channels[powers.indexOf(Math.max(...powers))].slice() : mono;
}

async function decode(bytes, file = null) {
  const mine = ++turn;
  stopPlaying();
  if (session) { close(session); session = null; }
  tell.textContent = 'Reading…';
  try {
    const buffer = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes);  // resamples too
    if (mine !== turn) return;
    const length = Math.min(buffer.length, LONGEST_S * RATE + 1);
    if (!length) throw new Error('empty');
    use(mix(buffer, length));
  } catch (error) {
    if (mine !== turn) return;
    if (file && await isWaveOrAiff(file)) return unpack(file, mine);
    tell.textContent = '';
    complain('unreadable');
  }
}

async function isWaveOrAiff(file) {
  const start = new TextDecoder('latin1').decode(await file.slice(0, 12).arrayBuffer());
  return /^(riff|(RIFF|RIFX|RF64|BW64)[^]{4}WAVE|FORM[^]{4}AIF[FC])/.test(start);
}

async function unpack(file, mine) {
  try {
    const form = new FormData();
    form.append('files', file);
    const reply = await fetch(new URL('gradio_api/upload', document.baseURI), { method: 'POST', body: form });
    const said = await reply.json();
    if (!reply.ok) throw new Error(said.detail);
    const { pcm, problem } = await server.read(said[0]);
    if (mine !== turn) return;
    tell.textContent = '';
    if (problem) { say.textContent = problem; return; }
    const bytes = Uint8Array.from(atob(pcm), (c) => c.charCodeAt(0)), view = new DataView(bytes.buffer);
    use(Float32Array.from({ length: bytes.length / 2 }, (_, i) => view.getInt16(2 * i, true) / 32767));
  } catch (error) {
    if (mine !== turn) return;
    tell.textContent = '';
    complain('unreadable');
  }
}

async function load(file) {
  if (!file) return;
  say.textContent = '';
  if (file.size > MAX_FILE) return complain('large');
  await decode(await file.arrayBuffer(), file);
}

picker.addEventListener('change', () => { load(picker.files[0]); picker.value = ''; });
document.addEventListener('mckd:sound', ({ detail }) => load(detail.file));   // dropped on the page

document.addEventListener('mckd:example', ({ detail }) => {
  if (session) { close(session); session = null; }
  if (detail.sound) decode(Uint8Array.from(atob(detail.sound), (c) => c.charCodeAt(0)).buffer);
  else remove();
});

// ---- play and clear

function stopPlaying() {
  if (!playing) return;
  const { context, source } = playing;
  playing = null;
  source.onended = null;
  try { source.stop(); } catch (error) { /* it had ended */ }
  context.close();
  show();
}

function play() {
  const context = new AudioContext(), buffer = context.createBuffer(1, samples.length, RATE);
  buffer.copyToChannel(samples, 0);
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  source.onended = stopPlaying;
  source.start();
  playing = { context, source, started: context.currentTime };
  const follow = () => { if (playing) { paint(); requestAnimationFrame(follow); } };
  follow();
  show();
}

playButton.addEventListener('click', () => { if (playing) stopPlaying(); else if (samples) play(); });
clearButton.addEventListener('click', remove);

new ResizeObserver(paint).observe(canvas);
new MutationObserver(paint).observe(document.body, { attributes: true, attributeFilter: ['class'] });
show();
