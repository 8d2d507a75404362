// A Business API client on Node's own http/https: a web front that never goes down and a core that does.
//
// The vendor's choices where the documentation is silent: answers are chunked and carry `meta` and more;
// `data` is JSON in base64; passwords are prepared as RFC 8265's OpaqueString says; a core needs a second to
// start and says `connecting` meanwhile; a restore over an existing app stops the core, while the front goes
// on with 503/1011 until the process is started again (--restart-policy always: the core comes back); a new
// machine goes on by itself; tokens are signed and outlive it all; a restore replaces the settings; PATCH
// refuses a body with an unknown setting wholly; no photo; an unregistered backup is 503 (not ready); a
// machine that lost its number says so and still gives backups.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const https = require('https');
const path = require('path');
const { parseArgs, promisify } = require('util');

const scrypt = promisify(crypto.scrypt);
const { values: options } = parseArgs({
  options: {
    port: { type: 'string' }, state: { type: 'string' }, cert: { type: 'string' }, key: { type: 'string' },
    registered: { type: 'string' }, network: { type: 'string' }, defect: { type: 'string' },
    version: { type: 'string', default: '2.57.2' }, shards: { type: 'string', default: '1' },
    multiconnect: { type: 'boolean', default: false }, 'restart-policy': { type: 'string', default: 'no' },
    'start-time': { type: 'string', default: '1000' },
  },
});
if (!options.port || !options.state || ![undefined, 'restore-201'].includes(options.defect)) {
  console.error('usage: node_client.js --port N --state DIR [--defect restore-201] ...');
  process.exit(2);
}
const SHARDS = Number(options.shards);
const LIMIT = 1 << 20;
const DEFAULTS = {
  callback_backoff_delay_ms: 3000, max_callback_backoff_delay_ms: 900000, heartbeat_interval: 5,
  unhealthy_interval: 30, sent_status: false, media: { auto_download: [] },
  webhooks: { url: '', max_concurrent_requests: 6 }, log_level: 'info', verbose_logging: false,
};
const PROFILE = { address: 256, description: 256, email: 128, vertical: 128 };

class Refusal extends Error {
  constructor(status, code, title, details) {
    super(title);
    Object.assign(this, { status, error: { code, title, ...(details && { details }) } });
  }
}
const missing = () => new Refusal(400, 1008, 'Required parameter is missing');
const unfit = () => new Refusal(400, 1009, 'Parameter value is not valid', 'See the reference for what fits.');
const notReady = () => new Refusal(503, 1011, 'Service not ready');
const denied = (status) => new Refusal(status, 1005, 'Access denied');

// -- state: one file, replaced by rename ------------------------------------------------------------------

const FILE = path.join(options.state, 'state.json');
let state;
const core = { phase: 'stopped', held: false, epoch: 0 };

function save(next) {
  const fd = fs.openSync(`${FILE}~`, 'w', 0o600);
  fs.writeSync(fd, JSON.stringify(next));
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  fs.renameSync(`${FILE}~`, FILE);
  state = next;
}

const hash = (password, salt) => crypto.createHash('sha512').update(salt).update(password).digest('hex');

function account(password) {
  const salt = crypto.randomBytes(9).toString('base64');
  return { salt, hash: hash(password, salt), since: crypto.randomUUID() };
}

function register(number) {
  return { number, identity: crypto.randomBytes(32).toString('hex'), announced: false };
}

function birth() {
  fs.mkdirSync(options.state, { recursive: true });
  if (fs.existsSync(FILE)) {
    state = JSON.parse(fs.readFileSync(FILE, 'utf8'));
    return;
  }
  save({
    machine: crypto.randomUUID(), secret: crypto.randomBytes(32).toString('hex'), revoked: [],
    users: { admin: account(process.env.ADMIN_PASSWORD || 'secret') }, application: DEFAULTS, about: '',
    business: {}, pin: null, ca: null, registration: options.registered ? register(options.registered) : null,
  });
}

// -- network, webhooks ------------------------------------------------------------------------------------

function post(url, body, more = {}) {
  return new Promise((resolve, reject) => {
    const raw = Buffer.from(JSON.stringify(body));
    const call = (url.startsWith('https:') ? https : http).request(url, {
      method: 'POST', timeout: 5000, headers: { 'Content-Type': 'application/json', 'Content-Length': raw.length },
      ...more,
    }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => {
        if (answer.statusCode >= 300) return reject(new Error(`status ${answer.statusCode}`));
        let value = null;
        try { value = JSON.parse(Buffer.concat(parts).toString()); } catch { /* a webhook may say anything */ }
        return resolve(value);
      });
    });
    call.on('timeout', () => call.destroy(new Error('timeout')));
    call.on('error', reject);
    call.end(raw);
  });
}

const pause = (ms) => new Promise((go) => { setTimeout(go, ms); });

async function network(verb, more = {}) {
  const known = state.registration;
  if (!options.network) return { held: true, messages: [] };
  return post(`${options.network}/business/${known.number}/${verb}`,
    { machine: state.machine, identity: known.identity, ...more });
}

async function start() {
  const epoch = core.epoch += 1;
  core.phase = 'starting';
  await pause(Number(options['start-time']));
  if (core.epoch !== epoch) return;
  let done = 0;
  while (core.epoch === epoch) {
    const known = state.registration;
    try {
      if (known) {
        core.held = (await network(known.announced ? 'connect' : 'claim')).held;
        if (core.epoch !== epoch) return;
        if (core.held && !known.announced && state.registration === known) {
          save({ ...state, registration: { ...known, announced: true } });
        }
      }
      core.phase = 'running';
      if (!known || !options.network || !core.held) { await pause(100); continue; }
      const news = await network('poll', { done });
      if (core.epoch !== epoch) return;
      core.held = news.held;
      for (const { seq, ...message } of news.messages) {
        done = seq;
        callBack({ contacts: [{ wa_id: message.from }], messages: [message] });
      }
    } catch {
      core.held = false;
      await pause(200);
    }
  }
}

async function callBack(body) {
  const { epoch } = core;
  for (let tries = 1; ; tries += 1) {
    const { application, ca } = state;
    if (core.epoch !== epoch || !application.webhooks.url) return;
    try {
      await post(application.webhooks.url, body, ca ? { ca } : { rejectUnauthorized: false });
      return;
    } catch {
      await pause(Math.min(application.callback_backoff_delay_ms * tries, application.max_callback_backoff_delay_ms));
    }
  }
}

// -- access -----------------------------------------------------------------------------------------------

const sign = (text) => crypto.createHmac('sha256', state.secret).update(text).digest('base64url');

function issue(name) {
  const until = new Date(Date.now() + 7 * 86400e3);
  const claims = { name, since: state.users[name].since, until: until.getTime(), id: crypto.randomUUID() };
  const text = ['{"alg":"HS256"}', JSON.stringify(claims)].map((s) => Buffer.from(s).toString('base64url')).join('.');
  const at = until.toISOString().replace('T', ' ').replace(/\..*/, '+00:00');
  return { token: `${text}.${sign(text)}`, expires_after: at };
}

function caller(call) {
  const [, token] = /^bearer +(\S+) *$/i.exec(call.headers.authorization || '') || [];
  const at = (token || '').lastIndexOf('.');
  const good = token && Buffer.from(sign(token.slice(0, at)));
  const given = token && Buffer.from(token.slice(at + 1));
  if (!token || at < 0 || good.length !== given.length || !crypto.timingSafeEqual(good, given)) throw denied(401);
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
  const there = Object.hasOwn(state.users, claims.name) && state.users[claims.name].since === claims.since;
  if (!there || claims.until < Date.now() || state.revoked.includes(claims.id)) throw denied(401);
  return claims;
}

function object(raw) {
  let value;
  try { value = JSON.parse(raw.toString('utf8')); } catch { /* refused below */ }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new Refusal(400, 1025, 'Invalid Request', 'A JSON object is expected.');
  }
  return value;
}

function text(from, name, most = LIMIT, least = 0) {
  if (!Object.hasOwn(from, name)) throw missing();
  const value = from[name];
  if (typeof value !== 'string' || value.length > most || value.length < least || !value.isWellFormed()) throw unfit();
  return value;
}

function strong(word) {
  const kinds = [/[0-9]/, /[A-Z]/, /[a-z]/, /[^0-9A-Za-z\s]/];
  if (word.length < 8 || word.length > 64 || !kinds.every((kind) => kind.test(word))) throw unfit();
  return word;
}

// -- backup and restore -----------------------------------------------------------------------------------

// RFC 8265, OpaqueString: every blank is U+0020, then NFC; no control characters, not empty.
function prepared(password) {
  const word = password.replace(/\p{Zs}/gu, ' ').normalize('NFC');
  if (!word || /\p{Cc}/u.test(word)) throw unfit();
  return word;
}

const keyOf = (word, salt) => scrypt(crypto.createHash('sha256').update(word, 'utf8').digest(), salt, 32,
  { N: 2048, r: 8, p: 1 });
const wrap = (salt, nonce, tag, sealed) => Buffer.from(JSON.stringify({
  format: 3, cipher: 'aes-256-gcm', salt: salt.toString('base64'), nonce: nonce.toString('base64'),
  tag: tag.toString('base64'), sealed: sealed.toString('base64'),
})).toString('base64');

async function backup({ body }) {
  const word = prepared(text(body, 'password'));
  const { registration, application, about, business, pin } = state;
  if (!registration) throw notReady();
  const plain = JSON.stringify({
    registration, application, about, business, pin, shards: SHARDS, multiconnect: options.multiconnect,
    padding: crypto.randomBytes(crypto.randomInt(64)).toString('hex'),
  });
  const [salt, nonce] = [crypto.randomBytes(16), crypto.randomBytes(12)];
  const cipher = crypto.createCipheriv('aes-256-gcm', await keyOf(word, salt), nonce);
  const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return [200, { settings: { data: wrap(salt, nonce, cipher.getAuthTag(), sealed) } }];
}

async function unwrap(word, data) {
  try {
    const parts = JSON.parse(Buffer.from(data, 'base64').toString('utf8'));
    const [salt, nonce, tag, sealed] = ['salt', 'nonce', 'tag', 'sealed'].map((n) => Buffer.from(parts[n], 'base64'));
    if (wrap(salt, nonce, tag, sealed) !== data.trim() || tag.length !== 16) throw new Error('not as written');
    const open = crypto.createDecipheriv('aes-256-gcm', await keyOf(word, salt), nonce);
    open.setAuthTag(tag);
    return JSON.parse(Buffer.concat([open.update(sealed), open.final()]).toString('utf8'));
  } catch {
    throw new Refusal(400, 1000, 'Generic error', 'Unable to decrypt settings');
  }
}

const fromV2314 = () => {
  const [major, minor, patch] = options.version.match(/\d+/g).map(Number);
  return major * 1e6 + minor * 1e3 + (patch || 0) >= 2031004;
};

async function restore({ body }) {
  const word = prepared(text(body, 'password'));
  const kept = await unwrap(word, text(body, 'data'));
  const { registration, application, about, business, pin } = kept;
  const single = (setup) => !setup.multiconnect || setup.shards === 1;
  const own = { multiconnect: options.multiconnect, shards: SHARDS };
  if (kept.shards !== SHARDS || single(kept) !== single(own)) {
    throw new Refusal(400, 1000, 'Generic error', 'Another type of setup');
  }
  if (core.phase !== 'running') throw notReady(); // another restore was faster
  const existing = state.registration;
  const fresh = fromV2314() ? register(registration.number) : { ...registration, announced: false };
  core.epoch += 1;
  core.held = false;
  save({ ...state, application, about, business, pin, registration: fresh });
  if (existing) {
    core.phase = 'stopped';
    if (options['restart-policy'] !== 'no') setTimeout(start, 300);
  } else {
    start();
  }
  return [options.defect === 'restore-201' ? 201 : 200, null];
}

// -- the other calls --------------------------------------------------------------------------------------

function patched(old, change) {
  const next = { ...old };
  for (const [name, value] of Object.entries(change)) {
    if (!Object.hasOwn(old, name)) throw new Refusal(400, 1010, 'Parameter is not required');
    const kind = Array.isArray(old[name]) ? Array.isArray(value) && value.every((v) => typeof v === 'string' && v.length < 20)
      : typeof value === typeof old[name] && value !== null && !Array.isArray(value);
    if (!kind || (typeof value === 'number' && !(Number.isSafeInteger(value) && value >= 0))) throw unfit();
    if (typeof value === 'string' && !(value.isWellFormed() && value.length < 2000)) throw unfit();
    next[name] = typeof value === 'object' && !Array.isArray(value) ? patched(old[name], value) : value;
  }
  return next;
}

function health() {
  const status = core.phase === 'starting' ? 'connecting'
    : !state.registration ? 'unregistered' : core.held ? 'connected' : 'disconnected';
  if (!options.multiconnect) return [200, { health: { gateway_status: status } }];
  const nodes = { 'node-a:0001': { gateway_status: status, role: 'primary_master' } };
  for (let shard = 0; shard < SHARDS; shard += 1) nodes[`node-b:${shard}`] = { gateway_status: status, role: 'coreapp' };
  return [200, { health: nodes }];
}

function login({ headers, raw }) {
  const [, pair] = /^basic +(\S+)$/i.exec(headers.authorization || '') || [];
  const [, name, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(pair || '', 'base64').toString()) || [];
  const user = Object.hasOwn(state.users, name || '') && state.users[name];
  if (!user || hash(password, user.salt) !== user.hash) throw denied(401);
  if (password === 'secret') {
    const word = raw.length && object(raw).new_password;
    if (typeof word !== 'string') throw new Refusal(403, 1024, 'Password Change Required');
    save({ ...state, users: { ...state.users, [name]: account(strong(word)) } });
  }
  return [200, { users: [issue(name)] }];
}

function user({ verb, match, claims, body }) {
  const name = decodeURIComponent(match[1]);
  const self = verb !== 'DELETE' && claims.name === name;
  if ((claims.name !== 'admin' && !self) || (verb === 'DELETE' && name === 'admin')) throw denied(403);
  if (!Object.hasOwn(state.users, name)) throw new Refusal(404, 1006, 'Resource not found');
  if (verb === 'GET') return [200, { users: [{ ROLES: name === 'admin' ? 'ROLE_ADMIN' : 'ROLE_USER', username: name }] }];
  const { [name]: old, ...users } = state.users;
  if (verb === 'PUT') users[name] = { ...account(strong(text(body(), 'password'))), since: old.since };
  save({ ...state, users });
  return [200, { users: [{ username: name }] }];
}

async function send({ body }) {
  const wanted = body();
  const to = text(wanted, 'to', 16);
  if (typeof wanted.text !== 'object' || !wanted.text) throw missing();
  const words = text(wanted.text, 'body', 4096, 1);
  if (!/^\+?[0-9]{8,15}$/.test(to)) throw new Refusal(400, 1013, 'User is not valid');
  if (!state.registration || !core.held) throw notReady();
  const message = { id: `ABGG${crypto.randomBytes(8).toString('hex')}`, to: to.replace('+', ''), type: 'text', text: { body: words } };
  await network('send', { message }).catch(() => { throw notReady(); });
  const timestamp = String(Math.floor(Date.now() / 1000));
  for (const status of ['sent', 'delivered']) {
    callBack({ statuses: [{ id: message.id, recipient_id: message.to, status, timestamp }] });
  }
  return [201, { messages: [{ id: message.id }] }];
}

const nothing = (change) => { save({ ...state, ...change }); return [200, {}]; };
// verb, path, who (none, any, admin), does it need the core, what to do
const ROUTES = [
  ['POST', /^\/v1\/users\/login$/, 'none', false, login],
  ['POST', /^\/v1\/users\/logout$/, 'any', false, ({ claims }) => nothing({ revoked: [...state.revoked, claims.id] })],
  ['POST', /^\/v1\/users$/, 'admin', false, ({ body }) => {
    const [name, word] = [text(body(), 'username', 32, 4), strong(text(body(), 'password'))];
    if (Object.hasOwn(state.users, name) || name === '__proto__') throw new Refusal(400, 1014, 'Internal error');
    save({ ...state, users: { ...state.users, [name]: account(word) } });
    return [201, { users: [{ username: name }] }];
  }],
  ['GET|PUT|DELETE', /^\/v1\/users\/([^/]+)$/, 'any', false, user],
  ['GET', /^\/v1\/health$/, 'any', true, health],
  ['GET', /^\/v1\/support$/, 'admin', true, () => [200, { support: {
    debug_info: state.registration ? state.registration.number : 'unregistered', multi_connect: options.multiconnect } }]],
  ['GET', /^\/v1\/account\/shards$/, 'admin', true, () => [200, { account: { shards: SHARDS } }]],
  ['GET', /^\/v1\/settings\/application$/, 'admin', true, () => [200, { settings: { application: {
    ...state.application, wa_id: state.registration ? state.registration.number : null } } }]],
  ['PATCH', /^\/v1\/settings\/application$/, 'admin', true, ({ body }) => nothing({ application: patched(state.application, body()) })],
  ['DELETE', /^\/v1\/settings\/application$/, 'admin', true, () => nothing({ application: DEFAULTS })],
  ['GET', /^\/v1\/settings\/profile\/about$/, 'admin', true, () => [200, { settings: { profile: { about: { text: state.about } } } }]],
  ['PATCH', /^\/v1\/settings\/profile\/about$/, 'admin', true, ({ body }) => nothing({ about: text(body(), 'text', 139) })],
  ['GET', /^\/v1\/settings\/business\/profile$/, 'admin', true, () => [200, { settings: { business: { profile: state.business } } }]],
  ['POST', /^\/v1\/settings\/business\/profile$/, 'admin', true, ({ body }) => {
    const given = body();
    const next = { ...state.business };
    for (const [name, most] of Object.entries(PROFILE)) if (Object.hasOwn(given, name)) next[name] = text(given, name, most);
    const sites = given.websites || [];
    if (!Array.isArray(sites) || sites.length > 2 || !sites.every((s) => typeof s === 'string' && s.length <= 256)) throw unfit();
    if (given.websites) next.websites = sites;
    return nothing({ business: next });
  }],
  ['POST', /^\/v1\/settings\/account\/two-step$/, 'admin', true, ({ body }) => {
    if (!/^[0-9]{6}$/.test(text(body(), 'pin'))) throw unfit();
    return nothing({ pin: body().pin });
  }],
  ['DELETE', /^\/v1\/settings\/account\/two-step$/, 'admin', true, () => nothing({ pin: null })],
  ['POST', /^\/v1\/certificates\/webhooks\/ca$/, 'admin', true, ({ raw }) => nothing({ ca: raw.toString() })],
  ['DELETE', /^\/v1\/certificates\/webhooks\/ca$/, 'admin', true, () => nothing({ ca: null })],
  ['POST', /^\/v1\/contacts$/, 'any', true, ({ body }) => {
    const { contacts } = body();
    if (!Array.isArray(contacts)) throw contacts === undefined ? missing() : unfit();
    return [200, { contacts: contacts.filter((c) => typeof c === 'string').map((input) => ({ input, status: 'valid', wa_id: input.replace(/[^0-9]/g, '') })) }];
  }],
  ['POST', /^\/v1\/messages$/, 'any', true, send],
  ['POST', /^\/v1\/settings\/backup$/, 'admin', true, ({ body }) => backup({ body: body() })],
  ['POST', /^\/v1\/settings\/restore$/, 'admin', true, ({ body }) => restore({ body: body() })],
];

async function route(verb, where, headers, raw) {
  const fitting = ROUTES.filter(([, pattern]) => pattern.test(where));
  const found = fitting.find(([verbs]) => verbs.split('|').includes(verb));
  if (!found) throw new Refusal(fitting.length ? 405 : 404, 1014, 'Internal error');
  const [, pattern, who, needsCore, act] = found;
  if (needsCore && core.phase === 'stopped') throw notReady();
  const claims = who === 'none' ? null : caller({ headers });
  if (who === 'admin' && claims.name !== 'admin') throw denied(403);
  if (needsCore && core.phase === 'starting' && act !== health) throw notReady();
  return act({ verb, headers, raw, claims, match: pattern.exec(where), body: () => object(raw) });
}

function front(request, response) {
  const parts = [];
  let size = 0;
  request.on('error', () => {});
  request.on('data', (part) => { size += part.length; if (size <= LIMIT) parts.push(part); });
  request.on('end', async () => {
    const meta = { meta: { api_status: 'stable', version: `v${options.version}` } };
    let [status, body] = [500, { errors: [{ code: 1000, title: 'Generic error' }], ...meta }];
    try {
      if (size > LIMIT) throw new Refusal(413, 1001, 'Message too long');
      const where = request.url.split('?')[0];
      [status, body] = await route(request.method, where, request.headers, Buffer.concat(parts));
      if (body !== null) body = { ...meta, ...body, took_ms: 0 };
    } catch (problem) {
      if (problem instanceof URIError) problem = new Refusal(400, 1025, 'Invalid Request');
      if (problem instanceof Refusal) [status, body] = [problem.status, { ...meta, errors: [problem.error] }];
      else console.error(problem);
    }
    response.writeHead(status, { 'CONTENT-TYPE': 'application/json; charset=utf-8', 'X-Front': 'node', ...(status === 503 && { 'Retry-After': '1' }) });
    const answer = JSON.stringify(body);
    response.write(answer.slice(0, 1)); // no length: chunked
    response.end(answer.slice(1));
  });
}

birth();
const server = options.cert
  ? https.createServer({ cert: fs.readFileSync(options.cert), key: fs.readFileSync(options.key) }, front)
  : http.createServer(front);
server.listen(Number(options.port), '127.0.0.1');
start();
