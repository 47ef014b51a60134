import { basename, dirname, join } from 'node:path'
import { ModelError } from './model-error.ts'

/** The names that llama.cpp's gguf-split gives to parts. */
const splitMark = /-(\d{5})-of-(\d{5})\.gguf$/

/**
 * The file name without `.gguf` and without the mark of a split. Letters, digits and `._:@-` stay as they are, the rest is
 * replaced: ids travel in URLs, headers and shell lines.
 */
export function modelId(path: string): string {
  const stem = basename(path)
    .replace(splitMark, '')
    .replace(/\.gguf$/i, '')
  return stem.replace(/[^\w.:@-]+/g, '-') || 'model'
}

/**
 * All parts of the model that begins with this file.
 * @throws ModelError when it is not the first part
 */
export function partPaths(path: string): readonly string[] {
  const [mark, number = '', count = ''] = splitMark.exec(path) ?? []
  if (mark === undefined || Number(number) > Number(count)) return [path]
  const stem = basename(path).slice(0, -mark.length)
  const nameOf = (part: number): string => `${stem}-${String(part).padStart(5, '0')}-of-${count}.gguf`
  if (Number(number) !== 1) {
    throw new ModelError(`${basename(path)} is not the first part of its model: give --model ${nameOf(1)} instead`)
  }
  return Array.from({ length: Number(count) }, (_, index) => join(dirname(path), nameOf(index + 1)))
}
