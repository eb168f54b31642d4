// Revisions in clean git work trees of their own, installed and built; gone with the gate.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Refused } from '../refused';
import { runShell } from './shell';

const GIT_MS = 120_000;
const INSTALL_MS = 600_000;
const BUILD_MS = 600_000;
const LOCKFILES = ['package-lock.json', 'npm-shrinkwrap.json'];
const SHORT = 10;
/** Of changed files, those that a message names. */
const FILES_SHOWN = 5;

export interface Making {
  /** Shell commands; undefined: what npm would do. */
  install: string | undefined;
  build: string;
}

export interface Revision {
  /** As it was asked for. */
  asked: string;
  sha: string;
}

/** As people write it. */
export const shortSha = (sha: string): string => sha.slice(0, SHORT);

export class Trees {
  readonly #from: string;
  /** Of the current directory below the repository's top, '' at it. */
  readonly #prefix: string;
  readonly #making: Making;
  readonly #made = new Map<string, string>();
  #parent: string | undefined;

  /** @throws Refused without git, or outside of a repository */
  constructor(from: string, making: Making) {
    this.#from = from;
    this.#making = making;
    this.#prefix = this.#git(
      ['rev-parse', '--show-prefix'],
      () =>
        `${from} is in no git repository: --base and --head need one; there are --base-dir and --head-dir`,
    ).trim();
  }

  /** @throws Refused if there is no such commit */
  resolve(option: string, asked: string): Revision {
    if (asked === '' || asked.startsWith('-')) throw new Refused(`${option}: '${asked}' is no revision`);
    const sha = this.#git(
      ['rev-parse', '--verify', '--quiet', `${asked}^{commit}`],
      () =>
        `${option}: there is no commit '${asked}' here (a shallow clone has few of them: git fetch --unshallow)`,
    );
    return { asked, sha: sha.trim() };
  }

  /** What is not committed would not be measured. @throws Refused if there is something */
  refuseChanges(): void {
    const changed = this.#git(
      ['status', '--porcelain', '--untracked-files=no'],
      (said) => `git status: ${said}`,
    )
      .split('\n')
      .filter((line) => line !== '');
    if (changed.length === 0) return;
    const shown = changed.slice(0, FILES_SHOWN).map((line) => line.slice(3));
    const more = changed.length > shown.length ? ` and ${changed.length - shown.length} more` : '';
    throw new Refused(
      `the work tree has changes that are not committed, and would not be measured (${shown.join(', ')}${more}): commit them, name a --head, or build and give --head-dir .`,
    );
  }

  /** The directory of a revision that is installed and built. @throws Refused with the end of the output if that fails */
  async built({ asked, sha }: Revision): Promise<string> {
    const made = this.#made.get(sha);
    if (made !== undefined) return made;
    this.#parent ??= fs.mkdtempSync(path.join(os.tmpdir(), 'pinfold-gate-'));
    const tree = path.join(this.#parent, shortSha(sha));
    this.#git(
      ['worktree', 'add', '--quiet', '--detach', '--force', tree, sha],
      (said) => `no work tree for '${asked}': ${said}`,
    );
    const directory = path.join(tree, this.#prefix);
    this.#made.set(sha, directory);
    const what = `'${asked}' (${shortSha(sha)}) can't be measured`;
    if (!fs.existsSync(directory)) throw new Refused(`${what}: it has no directory ${this.#prefix}`);
    await this.#install(directory, what);
    await runShell(this.#making.build, {
      cwd: directory,
      limitMs: BUILD_MS,
      what: `${what}, it does not build`,
    });
    return directory;
  }

  async #install(directory: string, what: string): Promise<void> {
    const { install } = this.#making;
    if (install === undefined && this.#sharesPackages(directory)) {
      fs.symlinkSync(path.join(this.#from, 'node_modules'), path.join(directory, 'node_modules'), 'junction');
      return;
    }
    if (install === undefined && !fs.existsSync(path.join(directory, 'package.json'))) return;
    const command = install ?? 'npm ci --no-audit --no-fund';
    await runShell(command, {
      cwd: directory,
      limitMs: INSTALL_MS,
      what: `${what}, its packages don't install`,
    });
  }

  /** Whether what is installed here is what the revision asks for. */
  #sharesPackages(directory: string): boolean {
    const name = LOCKFILES.find((each) => fs.existsSync(path.join(directory, each)));
    if (name === undefined || !fs.existsSync(path.join(this.#from, 'node_modules'))) return false;
    const here = path.join(this.#from, name);
    return fs.existsSync(here) && fs.readFileSync(here).equals(fs.readFileSync(path.join(directory, name)));
  }

  /** Also from an exit handler, and twice. */
  remove(): void {
    if (this.#parent === undefined) return;
    fs.rmSync(this.#parent, { recursive: true, force: true });
    spawnSync('git', ['worktree', 'prune'], { cwd: this.#from, timeout: GIT_MS });
    this.#parent = undefined;
  }

  #git(args: string[], failure: (said: string) => string): string {
    // No hook of the repository's runs: they are for people's work trees.
    const { error, status, stdout, stderr } = spawnSync('git', ['-c', 'core.hooksPath=/dev/null', ...args], {
      cwd: this.#from,
      encoding: 'utf8',
      timeout: GIT_MS,
    });
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT')
      throw new Refused(
        'there is no git on this machine: --base and --head need it; there are --base-dir and --head-dir',
      );
    if (error !== undefined || status !== 0) throw new Refused(failure((error?.message ?? stderr).trim()));
    return stdout;
  }
}
