/** How an upstream's certificate is checked. */
export interface TlsProfile {
  /** `false` accepts any certificate; for test systems only. Default `true`. */
  readonly verify?: boolean
  /** One or more PEM certificates that are trusted instead of the system's. */
  readonly ca?: string
}

/** The profile as options of Node's TLS. */
export interface UpstreamTls {
  readonly rejectUnauthorized: boolean
  readonly ca?: string
}

export const upstreamTls = ({ verify = true, ca }: TlsProfile = {}): UpstreamTls => ({
  rejectUnauthorized: verify,
  ...(ca === undefined ? {} : { ca }),
})
