import { Redacted } from "effect"

/** Earlier values that are still masked: what was sent with them may come back in an error for some minutes. */
const earlierKept = 8

/** A secret that another value can replace while clients use it: they read it anew for each call. */
export class RotatingSecret {
  #values: ReadonlyArray<string>
  #rotations = 0
  readonly #parts: (value: string) => ReadonlyArray<string>

  /** @param parts what else of a value must be masked, such as the password in a URL */
  constructor(first: Redacted.Redacted, parts: (value: string) => ReadonlyArray<string> = () => []) {
    this.#values = [Redacted.value(first)]
    this.#parts = parts
  }

  get current(): string {
    return this.#values[0] ?? ""
  }

  /** How often it was replaced. */
  get rotations(): number {
    return this.#rotations
  }

  /** All that must be masked: the current value, the last ones before it, and their parts. */
  get known(): ReadonlyArray<string> {
    return this.#values.flatMap((value) => [value, ...this.#parts(value)])
  }

  /** The next call is made with this value. */
  replace(next: Redacted.Redacted): void {
    this.#values = [Redacted.value(next), ...this.#values.slice(0, earlierKept)]
    this.#rotations += 1
  }

  /** Never the value: what prints or serializes it would give it away. */
  toJSON(): string {
    return "<redacted>"
  }
}

/** A secret of the configuration: fixed, or one that can be replaced. */
export type Secret = Redacted.Redacted | RotatingSecret

/** The value that a call is made with now. */
export const secretNow = (secret: Secret): string =>
  secret instanceof RotatingSecret ? secret.current : Redacted.value(secret)
