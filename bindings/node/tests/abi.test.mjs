// The package against the library: it declares exactly the exported functions, and checks what it loads.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';

const root = process.env.TIM_ROOT;
const folder = dirname(createRequire(import.meta.url).resolve('tim-presence'));
const prebuilt = join(folder, '..', 'prebuilds', `${process.platform}-${process.arch}`);
const symbols = readFileSync(join(root, 'include/tim_symbols.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split(' ')[0]);

/** What a process says that loads the package with another library. */
function loadedWith(library) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', 'console.log(require("tim-presence").libraryVersion)'], {
    cwd: import.meta.dirname ?? new URL('.', import.meta.url).pathname,
    env: { ...process.env, TIM_PRESENCE_LIBRARY: library },
    encoding: 'utf8',
  });
  return { status, said: stdout + stderr };
}

test('the functions that are looked up are those that the library exports', () => {
  const native = createRequire(import.meta.url)(join(prebuilt, 'tim_presence.node'));
  assert.ok(symbols.length > 30);
  assert.deepEqual(native.functions().sort(), symbols.sort());
});

test('the native module is linked to none of them, and needs no newer C++ runtime', () => {
  const binary = join(prebuilt, 'tim_presence.node');
  const undefinedSymbols = execFileSync('nm', ['-D', '--undefined-only', binary], { encoding: 'utf8' });
  assert.doesNotMatch(undefinedSymbols, /\btim[A-Z]/);
  assert.match(undefinedSymbols, /napi_create_threadsafe_function/);
  assert.doesNotMatch(undefinedSymbols, /GLIBCXX|_ZN2v8|uv_/);
});

test('another library is refused in words', () => {
  const work = mkdtempSync(join(tmpdir(), 'tim-node-abi-'));
  try {
    // Every function is there, and each answers that the ABI does not fit.
    writeFileSync(join(work, 'other.c'), symbols.map((name) => `int ${name}(void) { return -15; }\n`).join(''));
    execFileSync('cc', ['-shared', '-fPIC', '-o', join(work, 'other.so'), join(work, 'other.c')]);
    const other = loadedWith(join(work, 'other.so'));
    assert.equal(other.status, 1);
    assert.match(other.said, /Error: tim-presence: .*other\.so does not fit this package, which is made for \d/);

    writeFileSync(join(work, 'less.c'), 'int timCheckAbi(void) { return 0; }\nint timAbiVersion(void) { return 0; }\n');
    execFileSync('cc', ['-shared', '-fPIC', '-o', join(work, 'less.so'), join(work, 'less.c')]);
    assert.match(loadedWith(join(work, 'less.so')).said, /less\.so has no function timClientCreate: it is not libtim_presence/);

    assert.match(loadedWith(join(work, 'none.so')).said, /cannot load libtim_presence: .*none\.so/);
    const own = loadedWith(join(prebuilt, 'libtim_presence.so.0'));
    assert.equal(own.status, 0, own.said);
    assert.match(own.said, /^\d+\.\d+\.\d+\n$/);
  } finally {
    rmSync(work, { recursive: true });
  }
});
