// Loaded before the program by `node --import`: it makes what Node offers fail at one point. The program itself has
// no door for it.
import { syncBuiltinESMExports } from 'node:module';
import { watchCommands } from './command-points.ts';
import { watchFiles } from './file-points.ts';
import { watchSockets } from './socket-points.ts';

watchFiles();
watchCommands();
watchSockets();
syncBuiltinESMExports();
