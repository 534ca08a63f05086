// Pools of fixed-size records in raw memory, addressed by a number that never changes. Records live in pages, so growing copies
// nothing and wastes at most one page. Number 0 means "none".
//
//   directory: page 0 │ page 1 │ …        record n: page n >> PAGE_BITS, place n & PAGE_MASK
//   free record: u32 number of the next free one in its first four bytes

const PAGE_BITS: u32 = 9;
const PAGE_MASK: u32 = (1 << PAGE_BITS) - 1;

@unmanaged
export class Records {
  private directory: usize;
  private pages: u32;
  private directorySize: u32;
  private recordBytes: u32;
  private free: u32;
  /** First number never handed out. */
  private fresh: u32;
  /** Records in use. */
  used: u32;

  static create(recordBytes: u32): Records {
    const records = changetype<Records>(heap.alloc(offsetof<Records>()));
    records.directory = 0;
    records.directorySize = 0;
    records.pages = 0;
    records.recordBytes = recordBytes;
    records.free = 0;
    records.fresh = 1;
    records.used = 0;
    return records;
  }

  /** Address of a record. Unchecked: `number` must have come from `take`. */
  at(number: u32): usize {
    return load<usize>(this.directory + ((<usize>(number >> PAGE_BITS)) << 2)) + <usize>((number & PAGE_MASK) * this.recordBytes);
  }

  /** A record with undefined content. */
  take(): u32 {
    this.used++;
    const number = this.free;
    if (number != 0) {
      this.free = load<u32>(this.at(number));
      return number;
    }
    if (this.fresh >> PAGE_BITS >= this.pages) this.grow();
    return this.fresh++;
  }

  give(number: u32): void {
    store<u32>(this.at(number), this.free);
    this.free = number;
    this.used--;
  }

  /** Numbers handed out so far lie below this one; some of them may be free. */
  get limit(): u32 {
    return this.fresh;
  }

  /** Gives all records and pages back. */
  clear(): void {
    for (let page: u32 = 0; page < this.pages; page++) heap.free(load<usize>(this.directory + ((<usize>page) << 2)));
    if (this.directory != 0) heap.free(this.directory);
    this.directory = 0;
    this.directorySize = 0;
    this.pages = 0;
    this.free = 0;
    this.fresh = 1;
    this.used = 0;
  }

  private grow(): void {
    if (this.pages == this.directorySize) {
      const size = this.directorySize == 0 ? 16 : this.directorySize * 2;
      this.directory = this.directory == 0 ? heap.alloc((<usize>size) << 2) : heap.realloc(this.directory, (<usize>size) << 2);
      this.directorySize = size;
    }
    store<usize>(this.directory + ((<usize>this.pages) << 2), heap.alloc((<usize>this.recordBytes) << PAGE_BITS));
    this.pages++;
  }
}
