import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { FLEET_LIMIT_MS, STOPS_AT_ONCE, stopLimitFor } from '../../../src/vm/fleet.ts';
import { STOP_LIMIT_MS } from '../../../src/vm/stop.ts';

/** A VM's lock is waited for, and SIGKILL for a process, so long at most. */
const BEYOND_MS = 20_000;

test('guests have their time within the timeout of the unit that powers them off', () => {
  const unit = fs.readFileSync('systemd/blockhost-qemu-vms.service', 'utf8');
  const [, seconds] = /^TimeoutStopSec=(\d+)$/m.exec(unit) ?? [];
  assert.ok(FLEET_LIMIT_MS + BEYOND_MS <= Number(seconds) * 1000, `TimeoutStopSec=${seconds}`);
});

test('each guest has its whole time where all are asked at once, and as much as the last otherwise', () => {
  assert.equal(stopLimitFor(1, FLEET_LIMIT_MS), STOP_LIMIT_MS);
  assert.equal(stopLimitFor(STOPS_AT_ONCE, FLEET_LIMIT_MS), STOP_LIMIT_MS);
  for (const count of [STOPS_AT_ONCE + 1, 200, 300, 1000]) {
    const fair = FLEET_LIMIT_MS / Math.ceil(count / STOPS_AT_ONCE);
    // The worst: nobody is off before its time is up.
    const workers = Array.from({ length: STOPS_AT_ONCE }, () => 0);
    for (let waiting = count; waiting > 0; waiting--) {
      const freeMs = Math.min(...workers);
      const limitMs = stopLimitFor(waiting, FLEET_LIMIT_MS - freeMs);
      assert.ok(limitMs >= fair - 1, `${count} VMs: ${limitMs} ms with ${waiting} waiting`);
      workers[workers.indexOf(freeMs)] = freeMs + limitMs;
    }
    const lastMs = Math.max(...workers);
    assert.ok(lastMs <= FLEET_LIMIT_MS + 1, `${count} VMs take ${lastMs} ms`);
  }
});
