// Looks at the simulator and at the gateway from outside, through their own control paths.

import assert from 'node:assert/strict';
import { afterEach } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

const NOTHING = { outstanding: 0, in_flight: 0, waiting: 0 };

/** The control paths of a simulated provider. */
export class Simulator {
  constructor(url = process.env.SIMULATOR_URL) {
    this.url = url;
  }

  async state() {
    return json(await fetch(`${this.url}/_simulator/state`));
  }

  async counters() {
    return (await this.state()).counters;
  }

  async inFlight() {
    return sum((await this.state()).pools, (pool) => pool.in_flight);
  }

  async faults(name) {
    return (await this.counters()).faults[name] ?? 0;
  }

  async refused() {
    return sum(Object.values((await this.counters()).refused), (count) => count);
  }

  async reset() {
    await json(await fetch(`${this.url}/_simulator/reset`, { method: 'POST' }));
  }
}

/** The admin plane of the gateway. */
export class Gateway {
  constructor(url = process.env.GATEWAY_ADMIN_URL, token = process.env.GATEWAY_ADMIN_TOKEN) {
    Object.assign(this, { url, token });
  }

  /** What is not over yet: tokens reserved, requests under way and requests waiting. */
  async unsettled() {
    const { pools } = await this.ask('/monitoring/rate-limits');
    return {
      outstanding: sum(pools, (pool) => pool.tokens.outstanding),
      in_flight: sum(pools, (pool) => pool.in_flight),
      waiting: sum(pools, (pool) => pool.waiting),
    };
  }

  async waiting() {
    return (await this.ask('/monitoring/queue-status')).waiting;
  }

  async ask(path) {
    const headers = { authorization: `Bearer ${this.token}` };
    return json(await fetch(this.url + path, { headers }));
  }
}

/** The gateway that most cases run against. */
export const gateway = new Gateway();

/** Looks until it sees what is expected. */
export async function eventually(look, expected, withinMs = 5_000) {
  const end = Date.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (isDeepStrictEqual(seen, expected)) return;
    if (Date.now() > end) assert.deepEqual(seen, expected, `still so after ${withinMs} ms`);
    await pause(10);
  }
}

/** Whatever happened to a call, nothing of it is left behind on either side. */
export function checkThatEverythingIsSettled() {
  afterEach(async () => {
    await eventually(() => gateway.unsettled(), NOTHING);
    const simulator = new Simulator();
    await eventually(() => simulator.inFlight(), 0);
  });
}

async function json(response) {
  assert.equal(response.status, 200, `${response.url} answered ${response.status}`);
  return response.json();
}

function sum(elements, amount) {
  return elements.reduce((total, element) => total + amount(element), 0);
}
