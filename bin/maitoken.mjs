#!/usr/bin/env node
// From a checkout the sources run as they are; an installed package, which has none, runs its compiled form.
import { existsSync } from 'node:fs';

const sources = new URL('../src/cli/main.ts', import.meta.url);
const { run } = await import(existsSync(sources) ? sources.href : new URL('../dist/cli/main.js', import.meta.url).href);
run();
