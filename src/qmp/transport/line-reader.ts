export interface LineReaderEvents {
  /** A complete line without its newline. The bytes are valid during the call only. */
  onLine(line: Buffer, afterMark: boolean): void;
  /** A line grew beyond the limit. What follows up to the next newline or mark is dropped. */
  onTooLong(): void;
}

/** Memory above this is given back once a long line has been handled. */
const KEEP_BYTES = 1024;

/**
 * Cuts a byte stream into lines, in time proportional to the bytes however they are sliced.
 * With a `mark` byte, everything on the line before it is forgotten; the guest agent's 0xFF is one.
 */
export class LineReader {
  maxLineBytes: number;
  readonly #mark: number | undefined;
  readonly #events: LineReaderEvents;
  /** The line so far: the first `#used` bytes. Grows by doubling. */
  #partial = Buffer.alloc(0);
  #used = 0;
  #afterMark = false;
  #skipping = false;

  constructor(events: LineReaderEvents, options: { maxLineBytes: number; mark?: number }) {
    this.#events = events;
    this.maxLineBytes = options.maxLineBytes;
    this.#mark = options.mark;
  }

  push(chunk: Buffer): void {
    let from = 0;
    while (from < chunk.length) {
      const newline = chunk.indexOf(0x0a, from);
      const end = newline === -1 ? chunk.length : newline;
      if (newline !== -1 && this.#isWhole(end - from)) {
        if (end > from) this.#events.onLine(chunk.subarray(from, end), false);
        from = newline + 1;
        continue;
      }
      this.#take(this.#fromMark(chunk.subarray(from, end)));
      if (newline === -1) return;
      this.#finish();
      from = newline + 1;
    }
  }

  /** A line that came in one piece needs no copy. */
  #isWhole(length: number): boolean {
    return (
      this.#mark === undefined && this.#used === 0 && !this.#skipping && length <= this.maxLineBytes
    );
  }

  #fromMark(piece: Buffer): Buffer {
    if (this.#mark === undefined) return piece;
    const at = piece.lastIndexOf(this.#mark);
    if (at === -1) return piece;
    this.#used = 0;
    this.#afterMark = true;
    this.#skipping = false;
    return piece.subarray(at + 1);
  }

  #take(piece: Buffer): void {
    if (this.#skipping || piece.length === 0) return;
    const needed = this.#used + piece.length;
    if (needed > this.maxLineBytes) {
      this.#skipping = true;
      this.#used = 0;
      this.#events.onTooLong();
      return;
    }
    if (needed > this.#partial.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#partial.length * 2, 4096));
      this.#partial.copy(grown, 0, 0, this.#used);
      this.#partial = grown;
    }
    piece.copy(this.#partial, this.#used);
    this.#used = needed;
  }

  #finish(): void {
    const line = this.#partial.subarray(0, this.#used);
    const afterMark = this.#afterMark;
    const skipped = this.#skipping;
    this.#used = 0;
    this.#afterMark = false;
    this.#skipping = false;
    if (this.#partial.length > KEEP_BYTES) this.#partial = Buffer.alloc(0);
    if (!skipped && line.length > 0) this.#events.onLine(line, afterMark);
  }
}
