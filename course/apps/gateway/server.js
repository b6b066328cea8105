// gateway: one address for orders and the backoffice. Node.js, standard library only.
//
// ORDERS_URL      where orders is (default http://orders:8000)
// BACKOFFICE_URL  where the backoffice is (default http://backoffice:8000); it gets what begins with /backoffice
// PORT            where to listen (default 8080)
// TIMEOUT_MS      how long an upstream may be silent before its client gets 504 (default 5000)
// GRACE_MS        how long requests in flight may take after SIGTERM (default 8000)
'use strict';

const http = require('node:http');
const dns = require('node:dns/promises');
const { pipeline } = require('node:stream');
const { randomUUID } = require('node:crypto');

const ROUTES = [
  { prefix: '/backoffice', upstream: new URL(process.env.BACKOFFICE_URL || 'http://backoffice:8000') },
  { prefix: '', upstream: new URL(process.env.ORDERS_URL || 'http://orders:8000') },
];
const TIMEOUT_MS = Number(process.env.TIMEOUT_MS || 5000);
const GRACE_MS = Number(process.env.GRACE_MS || 8000);
// What belongs to one connection and not to the message (RFC 9110, 7.6.1).
const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'];

let turn = 0;
let draining = false;

function routeOf(url) {
  return ROUTES.find(({ prefix }) => !prefix || url === prefix || url.startsWith(`${prefix}/`) || url.startsWith(`${prefix}?`));
}

// A name may stand for several replicas: they take turns. Resolved for every request, because replicas come and go.
async function addressOf(hostname) {
  const found = (await dns.lookup(hostname, { all: true })).map(({ address }) => address).sort();
  turn = (turn + 1) % 1e9;
  return found[turn % found.length];
}

function withoutHopByHop(headers) {
  const named = String(headers.connection || '').split(',').map((name) => name.trim().toLowerCase());
  const dropped = new Set([...HOP_BY_HOP, ...named]);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !dropped.has(name)));
}

function say(fields) {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...fields })}\n`);
}

function answer(response, status, body) {
  if (response.headersSent) return response.destroy();
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  return response.end(text);
}

async function forward(request, response, id) {
  const route = routeOf(request.url);
  const { upstream } = route;
  const path = request.url.slice(route.prefix.length);
  const headers = {
    ...withoutHopByHop(request.headers),
    'x-request-id': id,
    'x-forwarded-for': [request.headers['x-forwarded-for'], request.socket.remoteAddress].filter(Boolean).join(', '),
    'x-forwarded-proto': 'http',
    connection: 'close',
  };
  let host;
  try {
    host = await addressOf(upstream.hostname);
  } catch {
    answer(response, 502, { detail: `nobody answers to the name ${upstream.hostname}`, request: id });
    return;
  }
  const onward = http.request({
    host,
    port: upstream.port || 80,
    method: request.method,
    path: path.startsWith('/') ? path : `/${path}`,
    headers: request.headers['transfer-encoding'] ? { ...headers, 'transfer-encoding': 'chunked' } : headers,
    agent: false,
    timeout: TIMEOUT_MS,
  });
  onward.on('timeout', () => {
    answer(response, 504, { detail: `${upstream.hostname} is silent`, request: id });
    onward.destroy();
  });
  // No second try: a POST that was lost half way may have been carried out.
  onward.on('error', (error) => {
    answer(response, 502, { detail: `${upstream.hostname} at ${host}: ${error.code || error.message}`, request: id });
  });
  onward.on('response', (incoming) => {
    response.writeHead(incoming.statusCode, { ...withoutHopByHop(incoming.headers), 'x-request-id': id });
    // An upstream that dies in the middle of its answer must not look like an answer that ended.
    pipeline(incoming, response, () => {});
  });
  response.on('close', () => onward.destroy());
  request.pipe(onward);
}

const server = http.createServer((request, response) => {
  const began = process.hrtime.bigint();
  const given = request.headers['x-request-id'];
  const id = given && /^[\w.-]{1,100}$/.test(given) ? given : randomUUID();
  response.setHeader('x-request-id', id);
  response.shouldKeepAlive = response.shouldKeepAlive && !draining;
  if (request.url === '/healthz') {
    answer(response, 200, { status: 'alive' });
    return;
  }
  response.on('close', () => {
    const ms = Number(process.hrtime.bigint() - began) / 1e6;
    const status = response.writableFinished ? response.statusCode : 0;
    say({ request: id, method: request.method, path: request.url, status, ms: Math.round(ms) });
    if (draining) setImmediate(() => server.closeIdleConnections());
  });
  forward(request, response, id);
});

// After SIGTERM: no new connections, those in flight are finished, idle ones closed; then the process ends by itself.
function drain(signal) {
  draining = true;
  say({ event: 'draining', signal });
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  setTimeout(() => process.exit(1), GRACE_MS).unref();
}

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => drain(signal));
server.listen(Number(process.env.PORT || 8080), '0.0.0.0', () => say({ event: 'listening', port: server.address().port }));
