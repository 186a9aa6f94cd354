// Writes src/generated.ts: what the C header and docs/C_API.md say already, so that it is not said twice.
//   node generate.mjs HEADER C_API.md OUT
// Names and numbers come from the header's constants, the options from the two tables of the page.
import { readFileSync, writeFileSync } from 'node:fs';

const [headerPath, pagePath, out] = process.argv.slice(2);
const header = readFileSync(headerPath, 'utf8');
const page = readFileSync(pagePath, 'utf8');

function fail(message) {
  console.error(`generate.mjs: ${message}`);
  process.exit(1);
}

/** The constants TIM_<family>_*: [name without prefix, number, comment]. */
function family(prefix) {
  const found = [...header.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*\n#define TIM_([A-Z]+)_([A-Z0-9_]+) \(?(-?\d+)\)?$/gm)]
    .filter(([, , of]) => of === prefix)
    .map(([, comment, , name, number]) => [name, Number(number), comment.replace(/\s*\n \* ?/g, ' ').replace(/^[ *]+/, '').trim()]);
  if (found.length < 3) fail(`the header has no constants TIM_${prefix}_*`);
  return found;
}

/** The rows of the table below a heading: [key, takes, default, meaning]. */
function table(heading) {
  const section = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0];
  if (section === undefined) fail(`${pagePath} has no section "${heading}"`);
  const rows = section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.replace(/^\| | \|$/g, '').split(/ (?<!\\)\| /));
  if (rows.length < 5 || rows.some((row) => row.length !== 4)) fail(`the table "${heading}" is not understood`);
  return rows.map(([key, ...rest]) => [key.replaceAll('`', ''), ...rest]);
}

const camel = (key) => key.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

/** What TypeScript calls what the page says an option takes. */
function typed(takes, meaning) {
  const choices = [...takes.matchAll(/"([^"]+)"/g)].map(([choice]) => choice);
  if (choices.length > 1) return choices.join(' | ');
  if (/^(a whole number|whole milliseconds|number)/.test(takes)) return 'number';
  if (takes === 'true or false') return 'boolean';
  if (/^an object: user id to list/.test(takes)) return 'Readonly<Record<string, readonly string[]>>';
  if (/^(a )?list/.test(takes)) return 'readonly string[]';
  if (/^(a text|text|an address|a file|a path|a folder)/.test(takes)) return 'string';
  // Something newer than this script: the library checks the value, as it does with all of them.
  return 'string | number | boolean | readonly string[]';
}

function options(name, heading, comment, leftOut) {
  const rows = table(heading).filter(([key]) => !leftOut.includes(key));
  const lines = [`/** ${comment} */`, `export interface ${name} {`];
  for (const [key, takes, standard, meaning] of rows) {
    const required = standard === 'required';
    const text = meaning.replaceAll('\\|', '|').replaceAll('*/', '* /');
    const said = text.slice(0, 1).toUpperCase() + text.slice(1);
    lines.push(`  /** ${said}${/\.( \(R[^)]*\))?$/.test(said) ? '' : '.'}${required ? '' : ` Default: ${standard}.`} */`);
    lines.push(`  readonly ${camel(key)}${required ? '' : '?'}: ${typed(takes, meaning)}${required ? '' : ' | undefined'};`);
  }
  lines.push('}', '');
  const keys = rows.map(([key]) => `  ${camel(key)}: '${key}',`);
  lines.push(`/** The library's names of these options. */`, `export const ${name[0].toLowerCase()}${name.slice(1)}: Readonly<Record<string, string>> = {`, ...keys, '};');
  return lines.join('\n');
}

/** A type of names, and a function from numbers to names. */
function names(type, prefix, comment) {
  const members = family(prefix);
  const list = members.map(([name, , said]) => ` * - \`${name}\`: ${said}`).join('\n');
  return `/**\n * ${comment}\n *\n${list}\n */
export type ${type} = ${members.map(([name]) => `'${name}'`).join(' | ')};

/** By number. */
export const ${type[0].toLowerCase()}${type.slice(1)}Names: Readonly<Record<number, ${type}>> = {
${members.map(([name, number]) => `  ${number}: '${name}',`).join('\n')}
};`;
}

const platformNames = { OTHER: 'Other', IOS: 'iOS', ANDROID: 'Android', WEB: 'Web', WINDOWS: 'Windows', MAC: 'Mac', LINUX: 'Linux', IPAD: 'iPad' };
const platforms = family('PLATFORM').map(([name, bit]) => [platformNames[name] ?? fail(`platform ${name} is new: give it a name`), bit]);
const errors = [['OK', 0, 'Success. The call was accepted, or the operation succeeded.'], ...family('ERR')];
const abi = /#define TIM_VERSION_STRING "([^"]+)"/.exec(header)?.[1] ?? fail('the header has no version');

const parts = [
  '// Made by generate.mjs from include/tim_presence.h and docs/C_API.md. Do not edit.',
  `/** The version of the header that this package was made with. */\nexport const headerVersion = '${abi}';`,
  names('Status', 'STATUS', 'What a user is.'),
  names('Reason', 'REASON', 'Why a status last changed.'),
  names('ConnectionState', 'CONNECTION', 'How the connection to the server is.'),
  names('LoginState', 'LOGIN', 'Whether somebody is logged in.'),
  names('LogLevel', 'LOG', 'How much a line of the log matters.'),
  `/** A kind of device. */\nexport type Platform = ${platforms.map(([name]) => `'${name}'`).join(' | ')};

/** By bit, in the order of their bits. */
export const platformBits: readonly (readonly [number, Platform])[] = [
${platforms.map(([name, bit]) => `  [${bit}, '${name}'],`).join('\n')}
];`,
  `/** Every error code by its name: \`if (error.code === ErrorCode.RATE_LIMITED)\`. docs/ERRORS.md says what each means. */
export const ErrorCode = {
${errors.map(([name, code, said]) => `  /** ${said} */\n  ${name}: ${code},`).join('\n')}
} as const;`,
  options('ClientOptions', 'Options of a client', 'What a client is made with. Only `server` and `sdkAppId` are required.', ['delivery']),
  options('ServerOptions', 'Options of the embedded server', 'What an embedded server is started with. Nothing is required.', []),
];
writeFileSync(out, `${parts.join('\n\n')}\n`);
