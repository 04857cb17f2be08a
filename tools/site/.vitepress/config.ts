/**
 * The documents as a web site, with a local search and nothing from other hosts. Its pages are those that docs/README.md
 * lists, at their paths in the repository, so that links work as on GitHub; links to other files lead to GitHub. A dead
 * link fails the build.
 */
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs"
import { posix } from "node:path"
import { fileURLToPath } from "node:url"
import GithubSlugger from "github-slugger"
import { defineConfig, type MarkdownOptions } from "vitepress"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const repository = "https://github.com/eth-cscs/storage-proxy"
const index = "docs/README.md"

const sections = readFileSync(root + index, "utf8")
  .split(/^## /m)
  .slice(1)
  .map((section) => {
    const links = section.matchAll(/^- \[([^\]]+)\]\(([^)]+)\)/gm)
    const items = Array.from(links, ([, text = "", path = ""]) => ({ text, link: posix.join("docs", path) }))
    return { text: section.split("\n", 1)[0] ?? "", items }
  })
const pages = new Set([index, ...sections.flatMap(({ items }) => items.map(({ link }) => link))])

/** Copies of the pages, because Vue resolves only within this workspace. */
const copies = fileURLToPath(new URL("../pages", import.meta.url))
rmSync(copies, { recursive: true, force: true })
for (const page of pages) cpSync(root + page, posix.join(copies, page))
cpSync(`${root}docs/explorer`, posix.join(copies, "docs/explorer"), { recursive: true })

/** The URL for a page's relative link. A dead link stays unchanged, so that VitePress rejects it. */
const addressOf = (page: string, link: string): string => {
  if (/^([a-z]+:|#|\/)/.test(link)) return link
  const [path = "", hash] = link.split("#", 2)
  const target = posix.join(posix.dirname(page), path)
  if (target === index) return "/"
  if (pages.has(target)) return hash === undefined ? `/${target}` : `/${target}#${hash}`
  return existsSync(root + target) ? `${repository}/blob/main/${target}${hash === undefined ? "" : `#${hash}`}` : link
}

const markdown: MarkdownOptions = {
  // The same anchors as on GitHub.
  anchor: { slugify: (heading) => new GithubSlugger().slug(heading) },
  config: (parser) => {
    parser.core.ruler.push("links-between-documents", ({ tokens, env }) => {
      for (const token of tokens.flatMap(({ children }) => children ?? [])) {
        // Otherwise Vue evaluates {{ }} in code.
        if (token.type === "code_inline") token.attrSet("v-pre", "")
        const link = token.type === "link_open" ? token.attrGet("href") : null
        if (link !== null) token.attrSet("href", addressOf(posix.relative(copies, env.realPath ?? env.path), link))
      }
    })
  },
}

export default defineConfig({
  title: "Storage proxy",
  description: "Serves Waldur's storage resources to the storage management systems of CSCS",
  lang: "en",
  srcDir: "pages",
  outDir: "dist",
  cacheDir: "node_modules/.cache/vitepress",
  rewrites: { [index]: "index.md" },
  markdown,
  themeConfig: {
    nav: [{ text: "GitHub", link: repository }],
    sidebar: sections.map(({ text, items }) => ({
      text,
      items: items.map((item) => ({ text: item.text, link: `/${item.link.replace(/\.md$/, "")}` })),
    })),
    outline: "deep",
    search: { provider: "local" },
  },
})
