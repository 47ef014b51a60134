import { Command, CommanderError, Option } from 'commander'
import { ConfigError } from './config/config-error.ts'
import { nearest } from './config/nearest.ts'
import { flagName, flagOptions, type OptionName, options } from './config/options.ts'
import { unknownFlag } from './config.ts'

export const commands = ['serve', 'check', 'models', 'key', 'replay'] as const

type CommandName = (typeof commands)[number]

/** The commands that read the options. */
export type RunCommand = Exclude<CommandName, 'key' | 'replay'>

export type Invocation =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'key'; readonly name: string | null; readonly json: boolean }
  | { readonly kind: 'replay'; readonly path: string }
  | { readonly kind: 'run'; readonly command: RunCommand; readonly json: boolean; readonly flags: Flags }

/** Values as typed, keyed by option name; what was not typed is absent. */
export type Flags = Readonly<Record<string, unknown>>

const rules = `Every option is an environment variable, too (--queue-timeout-ms is
HEADEND_QUEUE_TIMEOUT_MS), and a key of the config file (queueTimeoutMs). Flags win
over the environment, the environment over the file. Lists: repeat the flag, or
separate the values of the variable with commas. Keys have no flag: they come
from files or the variables HEADEND_API_KEY and HEADEND_UPSTREAM_KEY.`

/** @throws ConfigError naming the flag or command that is wrong */
export function parseCommandLine(words: readonly string[]): Invocation {
  const program = createProgram()
  const { operands, unknown } = parseWords(program, words)
  const { help, version, json = false, ...flags } = program.opts<Record<string, unknown>>()
  if (help === true) return { kind: 'help', text: `${program.helpInformation()}\n${rules}\n` }
  if (version === true) return { kind: 'version' }
  refuseUnknown(unknown)
  const { command, name } = chooseCommand(operands)
  if (command === 'key') return { kind: 'key', name, json: json === true }
  if (json === true && (command === 'serve' || command === 'replay')) {
    throw new ConfigError(['--json belongs to check, models and key'])
  }
  if (command === 'replay') return { kind: 'replay', path: name as string }
  return { kind: 'run', command, json: json === true, flags }
}

function createProgram(): Command {
  const program = new Command('headend')
    .usage(
      '[serve] [options]\n       headend check [options]\n       headend models [options]\n       headend key [name]\n       headend replay <file>',
    )
    .description(
      [
        'Answers the Anthropic Messages API from local models.',
        '',
        'serve    listens and answers; the default',
        'check    validates the options, and prints each with its origin and how the models would be held',
        'models   lists the models that are on this machine',
        'key      makes an API key and the line for the file of --api-key-file',
        'replay   shows what a recording of --record is decoded into, event by event',
      ].join('\n'),
    )
    .helpOption(false) // help is an option like any other here, so that parsing has no side effect
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
  for (const name of flagOptions) program.addOption(createOption(name))
  program
    .addOption(new Option('--json', 'check, models and key: print JSON').helpGroup('General:'))
    .addOption(new Option('-h, --help', 'print this text').helpGroup('General:'))
    .addOption(new Option('-v, --version', 'print the version').helpGroup('General:'))
  return program
}

function createOption(name: OptionName): Option {
  const { group, help, placeholder, repeatable } = options[name]
  const option = new Option(`${flagName(name)} ${placeholder}`.trimEnd(), `${help} (${defaultInWords(name)})`)
  option.helpGroup(`${group}:`)
  if (repeatable) option.argParser((value: string, earlier: readonly string[] = []) => [...earlier, value])
  return option
}

/** `default: 8080`, or `repeatable, default: none` */
function defaultInWords(name: OptionName): string {
  const { repeatable } = options[name]
  return `${repeatable ? 'repeatable, ' : ''}default: ${defaultText(name)}`
}

/** What holds when nobody says anything, in words, the same on every machine. */
export function defaultText(name: OptionName): string {
  const option = options[name]
  if (option.defaultText !== null) return option.defaultText
  const value: unknown = option.fallback({})
  if (value === null) return 'none'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ')
  return String(value)
}

function parseWords(program: Command, words: readonly string[]): { operands: string[]; unknown: string[] } {
  try {
    return program.parseOptions([...words])
  } catch (cause) {
    if (cause instanceof CommanderError) throw new ConfigError([cause.message.replace(/^error: /, '')])
    throw cause
  }
}

function refuseUnknown(unknown: readonly string[]): void {
  const flag = unknown.find((word) => word.startsWith('-'))
  if (flag !== undefined) throw new ConfigError([unknownFlag(flag.replace(/=.*$/s, ''))])
}

/** `name` is the operand of `key`, and the file of `replay`. */
function chooseCommand(operands: readonly string[]): { command: CommandName; name: string | null } {
  const [word, ...others] = operands
  if (word === undefined) return { command: 'serve', name: null }
  const command = commands.find((known) => known === word)
  if (command === undefined) {
    const guess = nearest(word, commands)
    const hint = guess === null ? `the commands are ${commands.join(', ')}` : `did you mean ${guess}?`
    throw new ConfigError([`unknown command ${word} (${hint})`])
  }
  if (command === 'key') return { command, name: others.join(' ').replace(/\s+/g, ' ').trim() || null }
  if (command === 'replay') {
    const [file, ...more] = others
    if (file !== undefined && more.length === 0) return { command, name: file }
    throw new ConfigError(['replay needs the path of one recording: headend replay <file>'])
  }
  if (others[0] !== undefined) throw new ConfigError([`unexpected argument ${others[0]}: options begin with --`])
  return { command, name: null }
}
