/** How the four engines find create's result in its stdout (contract §2.1). */
export interface EngineResult {
  status?: string;
  vm_name?: string;
  ip?: string;
  ipv6?: string;
  vmid?: number;
  username?: string;
  nft_token_id?: unknown;
}

type Parser = (stdout: string) => EngineResult | undefined;

const SENTINEL = 'BLOCKHOST_RESULT: ';

export const ENGINES: Record<'evm' | 'opnet' | 'cardano' | 'ergo', Parser> = {
  evm: (stdout) =>
    parse(
      linesOf(stdout)
        .find((line) => line.startsWith(SENTINEL))
        ?.slice(SENTINEL.length),
    ),
  ergo: (stdout) => {
    const line = linesOf(stdout).findLast((each) => each.includes(SENTINEL));
    return parse(line?.slice(line.indexOf(SENTINEL) + SENTINEL.length));
  },
  opnet: lastObject,
  cardano: lastObject,
};

function lastObject(stdout: string): EngineResult | undefined {
  return parse(
    linesOf(stdout)
      .findLast((line) => line.trim().startsWith('{'))
      ?.trim(),
  );
}

function linesOf(stdout: string): string[] {
  return stdout.split('\n');
}

function parse(text: string | undefined): EngineResult | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as EngineResult;
  } catch {
    return undefined;
  }
}
