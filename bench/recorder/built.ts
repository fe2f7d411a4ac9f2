/** The library as it is published, and not its sources as tsx translates them, which takes its own time at every call. */
export function built<Module>(file: string): Promise<Module> {
  return import(new URL(`../../dist/${file}`, import.meta.url).href);
}
