/** English prose has more bytes to a token, code and JSON have fewer. */
const bytesPerToken = 3.6
/** What a chat template writes around a message. */
const tokensPerMessage = 4
/** `{"role":"user","content":""},`: in the JSON and not in the prompt. */
const bytesPerMessage = 29
/** A photo of a thousand pixels a side costs 765 with OpenAI, and about 1,300 with others. */
const tokensPerImage = 1000

/** Where texts were weighed one by one. */
export interface TextSize {
  /** Of all texts and of the tools' JSON, UTF-8. */
  readonly textBytes: number
  readonly messageCount: number
  readonly imageCount: number
}

/** Where only the JSON was weighed. */
export interface JsonSize {
  /** Messages as JSON, with everything around their text. */
  readonly messagesBytes: number
  readonly messageCount: number
  readonly toolsBytes: number
  readonly imageCount: number
  /** The part of `messagesBytes` that is images. */
  readonly imageBytes: number
}

/** Prompt tokens of a request whose tokenizer is elsewhere (api-surface.md 11). */
export function estimateTextTokens({ textBytes, messageCount, imageCount }: TextSize): number {
  return Math.ceil(textBytes / bytesPerToken) + messageCount * tokensPerMessage + imageCount * tokensPerImage
}

/** The same, a little high, because escapes are in the JSON and not in the prompt. */
export function estimateTokens({ messagesBytes, messageCount, toolsBytes, imageCount, imageBytes }: JsonSize): number {
  const textBytes = Math.max(0, messagesBytes - messageCount * bytesPerMessage - imageBytes) + toolsBytes
  return estimateTextTokens({ textBytes, messageCount, imageCount })
}
