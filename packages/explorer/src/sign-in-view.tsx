/** The page without a token: no data, and a way to sign in. */
import { useRef } from "preact/hooks"
import { Notice } from "./components.tsx"
import { config, pasteToken, signedOutBecause, signIn } from "./store.ts"

export const SignInView = () => {
  const field = useRef<HTMLTextAreaElement>(null)
  const hasClient = config.value?.clientId !== null && config.value?.issuer !== null
  const paste = () => {
    const text = (field.current?.value ?? "").trim().replace(/^bearer\s+/i, "")
    // A header cannot contain other characters: fetch would fail as if the network were down.
    if (/^[\w.~+/=-]+$/.test(text)) pasteToken(text)
    else signedOutBecause.value = "This is not a token: a token contains only letters, digits and . _ ~ + / = -"
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
          <p class="faint">It stays in this page's memory until the page is closed or reloaded.</p>
          <button type="button" class="primary" onClick={paste}>
            Show the list
          </button>
        </>
      )}
    </main>
  )
}
