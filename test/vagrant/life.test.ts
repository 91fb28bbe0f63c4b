import { after } from 'node:test';
import { libvirtV1Box } from '../support/vagrant/boxes.ts';
import { VagrantWorld } from '../support/vagrant/world.ts';
import { testLife } from './suite/life.ts';

/** On a box of libvirt's first format. */
const world = await VagrantWorld.make({ after });
testLife(world, () => libvirtV1Box(world.base));
