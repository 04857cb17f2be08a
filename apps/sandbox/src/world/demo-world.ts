/** The small world that `pnpm demo` shows. */
import { buildFrom } from "./build-world.ts"
import { attribute, type CaseSpec, spec } from "./cases/case-spec.ts"
import type { World } from "./world.ts"

const HOME = { offering: "vast", dataType: "users" } as const
const SCRATCH = { offering: "iopsstor", dataType: "scratch" } as const
const ARCHIVE = { dataType: "archive" } as const
const GROUP_ONLY = attribute("permissions", "2770")

/** Inodes for many small files, which need more than follows from the space. */
const inodes = (softMillions: number, hardMillions: number) => ({
  soft_quota_inodes: softMillions * 1_000_000,
  hard_quota_inodes: hardMillions * 1_000_000,
})
/** In TB. */
const space = (soft: number, hard: number) => ({ soft_quota_space: soft, hard_quota_space: hard })
/** A resource with an executing Update from one size to another, in TB. */
const grows = (from: number, to: number) => ({
  storage: from,
  state: "Updating",
  order: {
    type: "Update",
    state: "executing",
    attributes: { old_limits: { storage: from } },
    limits: { storage: to },
  },
})

/** Storage of Swiss research projects, created in this order over two and a half years. */
const DEMO_CASES: readonly CaseSpec[] = [
  spec("climphys", "project storage", "ethz", "climphys", "Storylines of extreme events", { storage: 800 }),
  spec("reanalysis-ch", "archive", "mch", "reanalysis-ch", "Swiss regional reanalysis", { ...ARCHIVE, storage: 2000 }),
  spec("cosmo-lab", "project storage", "epfl", "cosmo-lab", "Atomistic machine learning", { storage: 120 }),
  spec("swissfel", "project storage", "psi", "swissfel", "SwissFEL serial crystallography", {
    storage: 900,
    options: space(900, 1000),
    change: GROUP_ONLY,
  }),
  spec("swissfel-archive", "archive", "psi", "swissfel", "SwissFEL serial crystallography", {
    ...ARCHIVE,
    storage: 1800,
    change: GROUP_ONLY,
  }),
  spec("climphys-home", "homes", "ethz", "climphys", "Storylines of extreme events", {
    ...HOME,
    storage: 20,
    options: inodes(60, 80),
  }),
  spec("microcircuits", "project storage", "epfl", "microcircuits", "Cortical microcircuits", { storage: 450 }),
  spec("lqcd-bern", "project storage", "unibe", "lqcd-bern", "Lattice QCD at the physical point", { storage: 250 }),
  spec("microcircuits-scratch", "scratch", "epfl", "microcircuits", "Cortical microcircuits", {
    ...SCRATCH,
    storage: 90,
  }),
  spec("euclid", "project storage", "uzh", "euclid", "Simulations for the Euclid mission", { storage: 1500 }),
  spec("radar", "archive", "mch", "radar", "Weather radar since 1995", { ...ARCHIVE, storage: 400 }),
  spec("cardiac-home", "homes", "usi", "cardiac", "Solvers for cardiac simulation", {
    ...HOME,
    storage: 5,
    options: inodes(12, 15),
  }),
  spec(
    "exclaim",
    "project storage that is being enlarged",
    "ethz",
    "exclaim",
    "Kilometre-scale ICON",
    grows(1200, 1600),
  ),
  spec("inca", "scratch", "mch", "inca", "Nowcasting over the Alps", { ...SCRATCH, storage: 20 }),
  spec(
    "nanoribbons",
    "project storage that is being removed",
    "empa",
    "nanoribbons",
    "On-surface synthesis of nanoribbons",
    {
      storage: 30,
      state: "Terminating",
      order: { type: "Terminate", state: "executing" },
    },
  ),
  spec("snow-home", "homes", "wsl", "snow-model", "Snow cover of the Alps", {
    ...HOME,
    storage: 10,
    options: inodes(25, 30),
  }),
  spec("exclaim-home", "homes", "ethz", "exclaim", "Kilometre-scale ICON", {
    ...HOME,
    storage: 10,
    options: inodes(40, 50),
  }),
  spec("apertus", "project storage", "ethz", "apertus", "Open language models", {
    storage: 2000,
    options: { ...space(1900, 2000), ...inodes(400, 500) },
    change: GROUP_ONLY,
  }),
  spec("apertus-scratch", "scratch", "ethz", "apertus", "Open language models", { ...SCRATCH, storage: 300 }),
  spec("sls-imaging", "archive", "psi", "sls-imaging", "X-ray tomography at the SLS", { ...ARCHIVE, storage: 650 }),
  spec("seismo", "project storage", "ethz", "seismo", "Full-waveform seismic inversion", { storage: 60 }),
  spec("icon-ch1", "scratch that is being enlarged", "mch", "icon-ch1", "Ensemble forecasts at one kilometre", {
    ...SCRATCH,
    ...grows(40, 60),
  }),
  spec("lake-cores", "project storage", "unibe", "lake-cores", "Sediments of Alpine lakes", { storage: 15 }),
  spec("phylo-flu", "new project storage", "sib", "phylo-flu", "Phylodynamics of influenza", {
    storage: 25,
    state: "Creating",
    order: { type: "Create", state: "executing" },
  }),
]

/** Microseconds from each creation to the next: 40 days. */
const STEP = 40 * 86_400_000_000

/** Builds the demo's world, which is always the same: all of it is served, and its tree fits on one screen. */
export function buildDemoWorld(): World {
  return buildFrom({ cases: DEMO_CASES, step: STEP })
}
