// Runs a piece of drawing work in animation frames, and rests after it in proportion to what it
// took, so that a long answer never takes more than a part of the page's time.

const SHARE = 5;

export class Pace {
  private frame = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private notBefore = 0;

  constructor(private readonly work: () => void) {}

  /** Soon, once, however often it is asked for. */
  ask(): void {
    if (this.frame !== 0 || this.timer !== undefined) return;
    const wait = this.notBefore - performance.now();
    if (wait > 1) {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.next();
      }, wait);
    } else {
      this.next();
    }
  }

  now(): void {
    this.cancel();
    this.run();
  }

  cancel(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.frame = 0;
    this.timer = undefined;
  }

  private next(): void {
    // A hidden page has no frames; the answer is drawn when it is looked at again.
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.run();
    });
  }

  private run(): void {
    const begin = performance.now();
    this.work();
    const took = performance.now() - begin;
    this.notBefore = begin + took * SHARE;
  }
}
