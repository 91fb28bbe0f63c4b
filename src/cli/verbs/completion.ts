import type { LookingVerb } from '../invocation.ts';
import { choice } from '../options.ts';

export const verb: LookingVerb = {
  summary: 'print a completion script for bash: verbs, options and names of VMs',
  declare(command) {
    command
      .argument('[shell]', 'bash', 'bash')
      .addHelpText('after', '\nExample:\n  source <(blockhost-qemu completion bash)');
  },
  run({ args, out, verbs }) {
    choice('shell', args[0] ?? 'bash', ['bash']);
    out.line(bashScript(verbs));
    return Promise.resolve(0);
  },
};

const WITHOUT_VM = new Set([
  'create',
  'list',
  'detect',
  'completion',
  'build-template',
  'start-all',
  'stop-all',
  'statd',
  'restart-crashed',
]);

/** Known by the first word of blockhost-qemu only. */
const WITHOUT_COMMAND = new Set([
  'completion',
  'build-template',
  'detect',
  'start-all',
  'stop-all',
  'history',
  'statd',
  'restart-crashed',
]);

function bashScript(verbs: readonly string[]): string {
  const named = verbs.filter((verb) => !WITHOUT_VM.has(verb));
  return `_blockhost_qemu() {
  local cur=\${COMP_WORDS[COMP_CWORD]} program=\${COMP_WORDS[0]##*/} verb first
  COMPREPLY=()
  case $program in
    blockhost-vm-*) verb=\${program#blockhost-vm-} first=1 ;;
    *) verb=\${COMP_WORDS[1]} first=2
       if [ "$COMP_CWORD" -eq 1 ]; then
         mapfile -t COMPREPLY < <(compgen -W '${verbs.join(' ')} --help --version' -- "$cur")
         return
       fi ;;
  esac
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(blockhost-qemu "$verb" --help 2>/dev/null | grep -oE -- '--[a-z-]+')" -- "$cur")
    return
  fi
  case " ${named.join(' ')} " in
    *" $verb "*)
      if [ "$COMP_CWORD" -eq "$first" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(blockhost-qemu list --format names 2>/dev/null)" -- "$cur")
        return
      fi ;;
  esac
  mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}
complete -F _blockhost_qemu blockhost-qemu ${verbs
    .filter((verb) => !WITHOUT_COMMAND.has(verb))
    .map((verb) => `blockhost-vm-${verb}`)
    .join(' ')}`;
}
