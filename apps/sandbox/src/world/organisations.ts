/** The organisations and projects of the world. */
import { API_URL } from "./offerings.ts"
import { uuidOf } from "./random.ts"
import type { Organisation, Project } from "./records.ts"

function organisation(slug: string, name: string): Organisation {
  return { slug, name, uuid: uuidOf(`customer ${slug}`) }
}

/** The customers of a Swiss national computing centre. */
export const ORGANISATIONS = {
  ethz: organisation("ethz", "ETH Zurich"),
  epfl: organisation("epfl", "EPFL"),
  psi: organisation("psi", "Paul Scherrer Institut"),
  mch: organisation("mch", "MeteoSwiss"),
  empa: organisation("empa", "Empa"),
  eawag: organisation("eawag", "Eawag"),
  wsl: organisation("wsl", "WSL"),
  uzh: organisation("uzh", "University of Zurich"),
  unibas: organisation("unibas", "University of Basel"),
  unibe: organisation("unibe", "University of Bern"),
  unige: organisation("unige", "University of Geneva"),
  unil: organisation("unil", "University of Lausanne"),
  unifr: organisation("unifr", "University of Fribourg"),
  unisg: organisation("unisg", "University of St. Gallen"),
  usi: organisation("usi", "Università della Svizzera italiana"),
  cern: organisation("cern", "CERN"),
  sib: organisation("sib", "SIB Swiss Institute of Bioinformatics"),
  supsi: organisation("supsi", "SUPSI"),
  fhnw: organisation("fhnw", "FHNW"),
  idiap: organisation("idiap", "Idiap Research Institute"),
}

export type OrganisationKey = keyof typeof ORGANISATIONS

export function project(of: Organisation, slug: string, name: string): Project {
  const uuid = uuidOf(`project ${of.slug} ${slug}`)
  return { slug, name, uuid, url: [API_URL, "projects/", uuid, "/"].join(""), organisation: of }
}

/** Fields of research for generated projects: the slug's prefix, and the name. */
export const FIELDS: ReadonlyArray<readonly [string, string]> = [
  ["climate", "Regional climate ensembles"],
  ["nwp", "Numerical weather prediction"],
  ["lqcd", "Lattice QCD at the physical point"],
  ["dft", "High-throughput density functional theory"],
  ["md", "Molecular dynamics of membranes"],
  ["catal", "Catalysis on oxide surfaces"],
  ["batt", "Solid-state battery electrolytes"],
  ["neuro", "Cortical microcircuits"],
  ["genom", "Population genomics"],
  ["cosmo", "Cosmological structure formation"],
  ["astro", "Stellar explosions"],
  ["plasma", "Turbulence in fusion plasmas"],
  ["cfd", "Aerodynamics of wind farms"],
  ["hydro", "Alpine hydrology"],
  ["seismo", "Full-waveform seismic inversion"],
  ["llm", "Open language models"],
  ["vision", "Vision for autonomous flight"],
  ["econ", "Overlapping-generations economies"],
  ["muon", "Muon spin spectroscopy"],
  ["hep", "High-luminosity LHC reconstruction"],
]
