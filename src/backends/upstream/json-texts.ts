/**
 * Texts as JSON. Every request of a conversation brings all of its texts again, and escaping them is most of what encoding costs:
 * 110 us for 70 KB of messages, against 29 us when they are remembered (Node 20). `Map<string, string>` would gain nothing, because
 * hashing a text that was just parsed takes as long as escaping it: so a few of a text's characters are its key, and the whole text
 * is compared.
 */
export interface JsonText {
  readonly json: string
  /** Of the text itself, UTF-8. */
  readonly bytes: number
}

export interface JsonTexts {
  of(text: string): JsonText
}

interface Remembered extends JsonText {
  readonly text: string
}

/** Below, escaping costs less than remembering. */
const charactersMin = 256
const samples = 24

/** @param charactersMax of what is remembered, texts and JSON together; twice that many bytes where texts are not Latin */
export function createJsonTexts(charactersMax: number): JsonTexts {
  const generationMax = charactersMax / 2
  /** A text that is used again moves over; when the young are too many, the old go and the young become old. */
  let young = new Map<number, Remembered>()
  let old = new Map<number, Remembered>()
  let youngCharacters = 0

  function remember(key: number, entry: Remembered): void {
    const characters = entry.text.length + entry.json.length
    if (characters > generationMax) return
    if (youngCharacters + characters > generationMax) {
      old = young
      young = new Map()
      youngCharacters = 0
    }
    const replaced = young.get(key)
    if (replaced !== undefined) youngCharacters -= replaced.text.length + replaced.json.length
    young.set(key, entry)
    youngCharacters += characters
  }

  return {
    of(text) {
      if (text.length < charactersMin) return toJson(text)
      const key = keyOf(text)
      const recent = young.get(key)
      if (recent?.text === text) return recent
      const known = old.get(key)
      const entry = known?.text === text ? known : { text, ...toJson(text) }
      remember(key, entry)
      return entry
    },
  }
}

function toJson(text: string): JsonText {
  return { json: JSON.stringify(text), bytes: Buffer.byteLength(text) }
}

/**
 * The length, some characters of all of it, and its end, where texts that begin alike differ. Two texts may share a key: then the
 * later one is remembered.
 */
function keyOf(text: string): number {
  const { length } = text
  const step = Math.floor(length / samples)
  let key = length
  for (let index = 0; index < length; index += step) key = (Math.imul(key, 31) + text.charCodeAt(index)) | 0
  for (let index = length - samples; index < length; index++) key = (Math.imul(key, 31) + text.charCodeAt(index)) | 0
  return key
}
