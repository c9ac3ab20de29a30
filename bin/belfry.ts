#!/usr/bin/env node
/**
 * The `belfry` command. The exit code is 0, 1 for a failure, 2 for wrong input or a machine that cannot run it.
 */
import { runProgram } from '../platform/config.ts';
import { buildProgram } from './program.ts';

// `belfry tail | head -1` closes our output early: that is an end, not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exit(await runProgram(buildProgram(), process.argv.slice(2)));
