// Keeps a scrolled area at its end while an answer grows, until the reader scrolls up; then it lets
// go, and comes back when the reader reaches the end again or sends.

const NEAR = 24;

export class Sticky {
  private stuck = true;
  private lastTop = 0;
  private lastHeight = 0;
  private readonly observer: ResizeObserver;

  constructor(
    private readonly area: HTMLElement,
    content: HTMLElement,
    private readonly onChange: (stuck: boolean) => void,
  ) {
    area.addEventListener('scroll', this.scrolled, { passive: true });
    area.addEventListener('wheel', this.wheeled, { passive: true });
    this.observer = new ResizeObserver(() => this.grown());
    this.observer.observe(content);
    this.observer.observe(area);
  }

  destroy(): void {
    this.observer.disconnect();
    this.area.removeEventListener('scroll', this.scrolled);
    this.area.removeEventListener('wheel', this.wheeled);
  }

  stick(): void {
    this.set(true);
    this.toEnd();
  }

  toTop(): void {
    this.set(false);
    this.area.scrollTop = 0;
  }

  release(): void {
    this.set(false);
  }

  private toEnd(): void {
    this.area.scrollTop = this.area.scrollHeight;
    this.lastTop = this.area.scrollTop;
    this.lastHeight = this.area.scrollHeight;
  }

  private grown(): void {
    if (this.stuck) this.toEnd();
    else this.lastHeight = this.area.scrollHeight;
  }

  private readonly wheeled = (event: WheelEvent): void => {
    // Before the scroll itself: a growing answer must not pull the reader back in between.
    if (event.deltaY < 0 && this.area.scrollHeight > this.area.clientHeight) this.set(false);
  };

  private readonly scrolled = (): void => {
    const { scrollTop, scrollHeight, clientHeight } = this.area;
    const distance = scrollHeight - scrollTop - clientHeight;
    // A page that became shorter moves up by itself; that is not the reader.
    const byReader = scrollTop < this.lastTop && scrollHeight >= this.lastHeight;
    if (byReader && distance > 0) this.set(false);
    else if (distance <= NEAR && scrollTop > this.lastTop) this.set(true);
    this.lastTop = scrollTop;
    this.lastHeight = scrollHeight;
  };

  private set(stuck: boolean): void {
    if (this.stuck === stuck) return;
    this.stuck = stuck;
    this.onChange(stuck);
  }
}
