/** What is there before there is a token: no data, and a way to sign in. */
import { useRef } from "preact/hooks"
import { Notice } from "./pieces.tsx"
import { config, pasteToken, signedOutBecause, signIn } from "./store.ts"

export const SignInView = () => {
  const field = useRef<HTMLTextAreaElement>(null)
  const hasClient = config.value?.clientId !== null && config.value?.issuer !== null
  const paste = () => {
    const text = (field.current?.value ?? "").trim().replace(/^bearer\s+/i, "")
    // A header takes no other characters, so fetch would fail as if the network were lost.
    if (/^[\w.~+/=-]+$/.test(text)) pasteToken(text)
    else signedOutBecause.value = "That is no token: it has letters, digits and . _ ~ + / = - only."
  }
  return (
    <main class="sign-in">
      <h1>Storage explorer</h1>
      {signedOutBecause.value !== "" && <Notice>{signedOutBecause.value}</Notice>}
      {hasClient ? (
        <>
          <p>The list of storage entries needs an account at {config.value?.issuer}.</p>
          <button type="button" class="primary" onClick={signIn}>
            Sign in
          </button>
        </>
      ) : (
        <>
          <label for="token">Access token for the storage proxy</label>
          <textarea id="token" ref={field} rows={4} autocomplete="off" spellcheck={false} />
          <p class="faint">It stays in this page's memory, and is gone when the page is closed or loaded again.</p>
          <button type="button" class="primary" onClick={paste}>
            Show the list
          </button>
        </>
      )}
    </main>
  )
}
