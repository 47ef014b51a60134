// Writes the tables of options into README.md and docs/configuration.md: `npm run docs`. test/readme.test.ts checks that they are current.

import { readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defaultText } from '../src/cli.ts'
import { anyText } from '../src/config/option-kinds.ts'
import { environmentName, flagName, type OptionName, optionNames, options } from '../src/config/options.ts'

const begin = '<!-- options: written by `npm run docs` -->'
const end = '<!-- end of options -->'

/** Each document, with its table brought up to date. */
export function currentDocuments(root: string): readonly { readonly path: string; readonly text: string }[] {
  return [
    withTable(join(root, 'README.md'), shortTable()),
    withTable(join(root, 'docs', 'configuration.md'), fullTables()),
  ]
}

function withTable(path: string, table: string): { readonly path: string; readonly text: string } {
  const document = readFileSync(path, 'utf8')
  const from = document.indexOf(begin)
  const to = document.indexOf(end)
  if (from < 0 || to < from) throw new Error(`${path} needs the lines ${begin} and ${end}`)
  return { path, text: `${document.slice(0, from + begin.length)}\n\n${table}\n\n${document.slice(to)}` }
}

function shortTable(): string {
  const rows = optionNames.map((name) => [`\`${namesOf(name)[0]}\``, inDefaultColumn(name), options[name].help])
  return markdownTable(['option', 'default', 'meaning'], rows)
}

function fullTables(): string {
  const groups = [...new Set(optionNames.map((name) => options[name].group))]
  return groups.map((group) => `## ${group}\n\n${groupTable(group)}`).join('\n\n')
}

function groupTable(group: string): string {
  const rows = optionNames
    .filter((name) => options[name].group === group)
    .map((name) => [
      namesOf(name)
        .map((text) => `\`${text}\``)
        .join(' '),
      inDefaultColumn(name),
      meaningWithBounds(name),
    ])
  return markdownTable(['flag, environment, file', 'default', 'meaning'], rows)
}

/** How an option is called: by its flag, its variable, its key in the file. Secrets have no flag. */
function namesOf(name: OptionName): readonly string[] {
  const others = [environmentName(name), name]
  return options[name].isSecret ? others : [flagName(name), ...others]
}

/** What is accepted is left out where it says nothing new. */
function meaningWithBounds(name: OptionName): string {
  const { help, accepts } = options[name]
  return accepts === anyText || help.includes(accepts) ? help : `${help} Accepts ${accepts}.`
}

function inDefaultColumn(name: OptionName): string {
  return defaultText(name) === 'none' ? '' : defaultText(name)
}

/** Columns are padded as the formatter pads them, or it would rewrite what was written here. */
function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((cells) => cells[column]?.length ?? 0)))
  const rule = widths.map((width) => '-'.repeat(width))
  return [head, rule, ...rows]
    .map((cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
    .join('\n')
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  for (const { path, text } of currentDocuments(dirname(import.meta.dirname))) writeFileSync(path, text)
}
