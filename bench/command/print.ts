// What a command says on stdout, also when nobody reads it to its end.

/** Prints `text`, which brings its own end of line. */
export function print(text: string): void {
  process.stdout.write(text);
}

/** A reader that has gone (`| head`, or a terminal that was closed) is no error; whatever is printed from then on is lost. */
export function endureClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    });
  }
}
