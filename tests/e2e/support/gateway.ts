/** Starts the real daemon with a throw-away data directory, and ends it properly. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** Longest time until the daemon says that it is ready. */
const START_LIMIT_MS = 60_000;

/** The promise of the product: a stop takes at most this long. */
const STOP_LIMIT_MS = 15_000;

const repository = resolve(import.meta.dirname, '../../..');

export interface User {
  name: string;
  role: 'admin' | 'operator' | 'viewer';
  password: string;
}

export const ADMINISTRATOR: User = { name: 'ana', role: 'admin', password: 'a lamp in the window' };
export const VIEWER: User = { name: 'vera', role: 'viewer', password: 'only looking around' };

export interface Gateway {
  /** `http://127.0.0.1:PORT` */
  origin: string;
  /** The set-up code, while there is no administrator. */
  setupCode: string | null;
  /** Stops it; fails when it does not end well or has logged an error. */
  stop(): Promise<void>;
}

function binary(): string {
  const target = process.env['CARGO_TARGET_DIR'] ?? 'target';
  const path = resolve(repository, process.env['GATEHOUSE_BIN'] ?? join(target, 'debug', 'gatehouse'));
  if (!existsSync(path)) throw new Error(`There is no ${path}. Build it (cargo build), or set GATEHOUSE_BIN.`);
  return path;
}

function addUser(directory: string, user: User): void {
  const options = ['--role', user.role, '--password-stdin', '--data-dir', directory];
  const added = spawnSync(binary(), ['user', 'add', user.name, ...options], {
    input: `${user.password}\n`,
    encoding: 'utf8',
  });
  if (added.status !== 0) throw new Error(`gatehouse user add failed: ${added.stderr}`);
}

/** A port that is free now, for a gateway that is to come back to it after a restart. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Starts the demonstration with these users; with a configuration, that of the simulated board with its devices. */
export async function startGateway(users: User[], configuration?: string, port = 0): Promise<Gateway> {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-e2e-'));
  for (const user of users) addUser(directory, user);
  const options = ['--demo', '--http', `127.0.0.1:${port}`, '--mqtt', '127.0.0.1:0', '--data-dir', directory];
  if (configuration !== undefined) {
    const file = join(directory, 'gatehouse.toml');
    await writeFile(file, configuration);
    options.push('--config', file);
  }
  const child = spawn(binary(), ['run', ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
  await untilReady(child, lines);
  const valueOf = (label: string) =>
    lines
      .find((line) => line.trim().startsWith(label))
      ?.trim()
      .slice(label.length)
      .trim() ?? null;
  const address = valueOf('Dashboard:');
  if (address === null) throw new Error(`no address of the dashboard in:\n${lines.join('\n')}`);
  return {
    origin: new URL(address).origin,
    setupCode: valueOf('Set-up code:'),
    async stop() {
      await end(child, lines);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function untilReady(child: ChildProcess, lines: string[]): Promise<void> {
  return new Promise((fulfil, reject) => {
    const fail = (why: string) => {
      child.kill('SIGKILL');
      reject(new Error(`The gateway ${why}:\n${lines.join('\n')}`));
    };
    const limit = setTimeout(() => fail('was not ready in time'), START_LIMIT_MS);
    const onExit = (code: number | null) => fail(`ended with ${code} before it was ready`);
    child.once('exit', onExit);
    createInterface({ input: child.stdout! }).on('line', (line) => {
      lines.push(line);
      if (line.trim() !== 'Ready.') return;
      clearTimeout(limit);
      child.off('exit', onExit);
      fulfil();
    });
  });
}

async function end(child: ChildProcess, lines: string[]): Promise<void> {
  const code = await new Promise<number | null>((fulfil) => {
    if (child.exitCode !== null || child.signalCode !== null) return fulfil(child.exitCode);
    const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    child.once('exit', (code) => {
      clearTimeout(limit);
      fulfil(code);
    });
    child.kill('SIGTERM');
  });
  const bad = lines.filter((line) => line.includes('ERROR') || line.includes('panicked at'));
  if (code !== 0 || bad.length > 0) {
    throw new Error(`The gateway ended with ${code}; errors: ${bad.join('\n')}\nIts log:\n${lines.join('\n')}`);
  }
}
