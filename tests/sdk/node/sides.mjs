// The same call on both sides: straight to the provider, and through the gateway.
//
// A case hands `both` a function from a client to a call. It is run with a client for each
// address, and everything that the SDK gives must be equal: the parsed answer, or the error and all
// that it tells.

import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';

import OpenAI from 'openai';
import { Stream } from 'openai/streaming';

const LONGEST_CALL_MS = 20_000;
const BASE_URLS = {
  direct: process.env.DIRECT_BASE_URL,
  gateway: process.env.GATEWAY_BASE_URL,
};

/** A key that no other test uses. */
export function freshKey() {
  return `sk-${randomUUID()}`;
}

/** A client with a key of its own, and therefore with limit pools of its own. */
export function client(baseURL, { fault, ...options } = {}) {
  const defaultHeaders = fault ? { 'x-simulator-fault': `${fault};key=${randomUUID()}` } : {};
  const defaults = { apiKey: freshKey(), maxRetries: 0, timeout: LONGEST_CALL_MS };
  return new OpenAI({ baseURL, defaultHeaders, ...defaults, ...options });
}

/** A client for one side. */
export function clientOf(side, options) {
  return client(BASE_URLS[side], options);
}

/** Runs `call` on one side and tells what it gave. */
export async function on(side, call, options) {
  const outcome = { value: undefined, events: [], error: undefined };
  try {
    const given = await call(clientOf(side, options));
    if (given instanceof Stream) {
      for await (const event of given) outcome.events.push(plain(event));
    } else {
      outcome.value = plain(given);
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    outcome.error = describe(error);
  }
  return outcome;
}

/** Runs `call` on both sides and returns what each gives, the provider's first. */
export async function each(call, options) {
  return [await on('direct', call, options), await on('gateway', call, options)];
}

/** Runs `call` on both sides, compares what it gives, and returns it. */
export async function both(call, { ignore = [], ...options } = {}) {
  const [direct, gateway] = await each(call, options);
  assert.equal(pretty(without(gateway, ignore)), pretty(without(direct, ignore)));
  return gateway;
}

/** What tells two long contents apart without filling the screen. */
export function fingerprint(content) {
  const bytes = Buffer.from(content);
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Bytes that no text encoding survives, the same on every run. */
export function noise(length) {
  const blocks = [];
  for (let block = 0; block * 32 < length; block += 1) {
    blocks.push(createHash('sha256').update(`${length}/${block}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

function plain(value) {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function describe(error) {
  const { name, message, status, code, type, param, error: body } = error;
  const raised = error.constructor.name;
  return { raised, name, message, status, code, type, param, body, cause: error.cause?.code };
}

/** The value with its members in order, less those to ignore. */
function without(value, ignore) {
  if (Array.isArray(value)) return value.map((element) => without(element, ignore));
  if (value === null || typeof value !== 'object') return value;
  const isKept = (name) => !ignore.includes(name) && !isNullUsage(name, value[name]);
  const kept = Object.keys(value).filter(isKept).sort();
  return Object.fromEntries(kept.map((name) => [name, without(value[name], ignore)]));
}

// The gateway asks every stream for its usage, and a provider that is asked writes `usage: null`
// into all chunks but the last. Null tells a caller nothing.
function isNullUsage(name, member) {
  return name === 'usage' && member === null;
}

/** One member a line, so that a difference shows as a difference of lines. */
function pretty(value) {
  return JSON.stringify(value, null, 1);
}
