/** What an upstream answered, once its headers are here. */
export interface UpstreamResponse {
  readonly status: number
  /** `name` in lower case; of several the first. */
  header(name: string): string | null
  /** In lower case. */
  headerNames(): Iterable<string>
  /**
   * Passes on the body, decompressed, piece by piece. A promise from `onBytes` pauses the socket until it resolves; what it throws ends the
   * request and is thrown on. Ends when the body has.
   * @throws HeadendError upstream-failed (cut), upstream-malformed, upstream-timeout, or the signal's reason
   */
  pump(onBytes: (bytes: Uint8Array) => Promise<void> | null): Promise<void>
  /** The whole body. @throws as `pump`; upstream-malformed when it is larger than `bytesMax` */
  whole(bytesMax: number): Promise<Uint8Array>
  /** Nobody wants the rest: the connection is closed at once. */
  cancel(): void
}
