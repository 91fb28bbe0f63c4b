import type { TestContext } from 'node:test';
import { FakeAgent } from '../../support/fake-agent.ts';
import { type FakeQmpOptions, FakeQmpServer } from '../../support/fake-qmp.ts';

export async function serve(t: TestContext, options: FakeQmpOptions = {}): Promise<FakeQmpServer> {
  const fake = await FakeQmpServer.start(options);
  t.after(() => fake.stop());
  return fake;
}

export async function serveAgent(t: TestContext): Promise<FakeAgent> {
  const fake = await FakeAgent.start();
  t.after(() => fake.stop());
  return fake;
}
