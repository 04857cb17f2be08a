import { assert, it } from "@effect/vitest"
import { atProxy } from "../src/proxy.ts"

it.each([
  { why: "an error says its message", thrown: new Error("a"), text: "a" },
  {
    why: "the innermost cause speaks",
    thrown: new Error("a", { cause: new Error("b", { cause: new Error("c") }) }),
    text: "c",
  },
  {
    why: "a silent cause leaves the word to the one outside",
    thrown: new Error("a", { cause: new Error("") }),
    text: "a",
  },
  {
    why: "parts speak for an error without a message",
    thrown: new TypeError("fetch failed", { cause: new AggregateError([new Error("::1"), new Error("127.0.0.1")]) }),
    text: "Error: ::1; Error: 127.0.0.1",
  },
  { why: "what is no error is shown", thrown: "a", text: "a" },
])("$why", ({ thrown, text }) => {
  assert.strictEqual(atProxy(thrown).message, text)
})

it("an error that is its own cause terminates", () => {
  const error = new Error("a")
  error.cause = error
  assert.strictEqual(atProxy(error).message, "a")
})
