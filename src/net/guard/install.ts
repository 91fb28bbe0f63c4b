import * as fs from 'node:fs';
import { ProvisionerError } from '../../errors.ts';
import { applyNft, listTable } from '../nft.ts';
import { type Guard, normalGuard } from './guard.ts';
import { type Listing, parseListing } from './listing.ts';
import { type Element, elementsOf, installPlan, removePlan } from './plan.ts';
import { GUARD_TABLE } from './rules.ts';

/**
 * Confines a tap, best before it is made: rules go by its name, so that it is confined from its first frame.
 * Whatever is missing of the table is put back, and elements that an earlier tap of that name has left are
 * replaced. @throws ProvisionerError; the VM must not run then.
 */
export async function installGuard(guard: Guard): Promise<void> {
  const wanted = normalGuard(guard);
  await applyNft(installPlan(wanted, of(wanted.tap, await list())));
}

/** @throws ProvisionerError unless all of the guard is in force: the last look before a guest runs. */
export async function assertGuard(guard: Guard): Promise<void> {
  if (isInForce(guard, await list())) return;
  throw new ProvisionerError(`the network filter of ${guard.tap} is not in force`, {
    hint: 'another program reloads nftables; run the command again',
  });
}

/** Those of which something is missing, such as after a reload of nftables. */
export async function brokenGuards(guards: readonly Guard[]): Promise<Guard[]> {
  if (guards.length === 0) return [];
  const listing = await list();
  return guards.filter((guard) => !isInForce(guard, listing));
}

function isInForce(guard: Guard, { elements, rulesComplete }: Listing): boolean {
  const wanted = elementsOf(normalGuard(guard)).map(inOneLine).sort();
  const own = elements.filter(({ tap, set }) => tap === guard.tap && set !== 'dhcp_leased');
  return rulesComplete && own.map(inOneLine).sort().join() === wanted.join();
}

export async function removeGuard(tap: string): Promise<void> {
  await applyNft(removePlan(of(tap, await list())));
}

/**
 * Removes what is left of taps that are gone. A tap that exists, or that the caller names because a VM may be
 * about to make it, keeps its guard. @returns the taps whose guards were removed.
 */
export async function pruneGuards(liveTaps: readonly string[]): Promise<string[]> {
  const stale = await staleElements(liveTaps);
  await applyNft(removePlan(stale));
  return tapsOf(stale);
}

/** The taps whose guards `pruneGuards` would remove. */
export async function staleGuards(liveTaps: readonly string[]): Promise<string[]> {
  return tapsOf(await staleElements(liveTaps));
}

async function staleElements(liveTaps: readonly string[]): Promise<Listing['elements']> {
  const kept = (tap: string): boolean =>
    liveTaps.includes(tap) || fs.existsSync(`/sys/class/net/${tap}`);
  return (await list()).elements.filter(({ tap }) => !kept(tap));
}

function tapsOf(elements: Listing['elements']): string[] {
  return [...new Set(elements.map(({ tap }) => tap))].sort();
}

async function list(): Promise<Listing> {
  const json = await listTable('bridge', GUARD_TABLE);
  return json === undefined ? { elements: [], rulesComplete: false } : parseListing(json);
}

function of(tap: string, { elements }: Listing): Element[] {
  return elements.filter((element) => element.tap === tap);
}

function inOneLine({ set, value }: Element): string {
  return `${set} ${value}`;
}
