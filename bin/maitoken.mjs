#!/usr/bin/env node
// From a checkout the sources run as they are; an installed package runs its compiled form.
import { existsSync } from 'node:fs';

const compiled = new URL('../dist/cli/main.js', import.meta.url);
const { run } = await import(existsSync(compiled) ? compiled.href : new URL('../src/cli/main.ts', import.meta.url).href);
run();
