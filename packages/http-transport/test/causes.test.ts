import { assert, it } from "@effect/vitest"
import { atProxy } from "../src/proxy.ts"

it.each([
  { why: "an error without a cause", thrown: new Error("a"), text: "a" },
  {
    why: "the innermost cause",
    thrown: new Error("a", { cause: new Error("b", { cause: new Error("c") }) }),
    text: "c",
  },
  {
    why: "the error around a cause without a message",
    thrown: new Error("a", { cause: new Error("") }),
    text: "a",
  },
  {
    why: "the parts of an AggregateError without a message",
    thrown: new TypeError("fetch failed", { cause: new AggregateError([new Error("::1"), new Error("127.0.0.1")]) }),
    text: "Error: ::1; Error: 127.0.0.1",
  },
  { why: "a thrown value that is not an error, as text", thrown: "a", text: "a" },
])("the detail of a failure is the message of $why", ({ thrown, text }) => {
  assert.strictEqual(atProxy(thrown).message, text)
})

it("an error that is its own cause still yields its message", () => {
  const error = new Error("a")
  error.cause = error
  assert.strictEqual(atProxy(error).message, "a")
})
