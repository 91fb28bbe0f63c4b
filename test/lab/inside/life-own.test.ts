import * as fs from 'node:fs';
import { before } from 'node:test';
import { testLife } from '../suite/life.ts';
import { tinyTemplate } from '../suite/tiny-template.ts';

// By root on a host without BlockHost, with what is found by default: systemd scopes, QEMU's user network.
before(async () => {
  fs.mkdirSync('/etc/blockhost-qemu');
  fs.writeFileSync('/etc/blockhost-qemu/config.yaml', 'root: own\nstore: embedded\n');
  await tinyTemplate();
});

testLife({ argv: (argv) => [...argv] });
