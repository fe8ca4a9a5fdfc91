// Go's own sync.Pool and atomic.Value under the same workloads as the Rust contenders, for a comparison in turn.
//
// Reads requests from standard input, a line each: a workload, a number of goroutines, a number of operations.
// Answers each with a line: nanoseconds of CPU time per operation, and how many items were made.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const (
	processClock = 2
	threadClock  = 3
	burst        = 100
	starved      = burst / 3
	size         = 1024
)

// cpu reads a CPU time clock, in nanoseconds.
func cpu(clock uintptr) int64 {
	var time syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&time)), 0)
	if errno != 0 {
		panic(errno)
	}
	return time.Nano()
}

var made int64

func newPool() *sync.Pool {
	return &sync.Pool{New: func() any {
		atomic.AddInt64(&made, 1)
		buffer := make([]byte, 0, size)
		return &buffer
	}}
}

// alone times work on this goroutine, kept on one thread, without what the runtime does beside it.
func alone(operations int64, work func(int64)) float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := cpu(threadClock)
	work(operations)
	return float64(cpu(threadClock)-start) / float64(operations)
}

// together times work on several goroutines that start together.
func together(goroutines int, operations int64, work func(int64)) float64 {
	each := operations / int64(goroutines)
	if each == 0 {
		each = 1
	}
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for g := 0; g < goroutines; g++ {
		ready.Add(1)
		done.Add(1)
		go func() {
			ready.Done()
			<-start
			work(each)
			done.Done()
		}()
	}
	ready.Wait()
	before := cpu(processClock)
	close(start)
	done.Wait()
	return float64(cpu(processClock)-before) / float64(each*int64(goroutines))
}

func hot(pool *sync.Pool, pairs int64) {
	for ; pairs > 0; pairs-- {
		item := pool.Get().(*[]byte)
		pool.Put(item)
	}
}

func nested(pool *sync.Pool, pairs int64) {
	for ; pairs > 0; pairs -= 8 {
		a := pool.Get().(*[]byte)
		b := pool.Get().(*[]byte)
		c := pool.Get().(*[]byte)
		d := pool.Get().(*[]byte)
		e := pool.Get().(*[]byte)
		f := pool.Get().(*[]byte)
		g := pool.Get().(*[]byte)
		h := pool.Get().(*[]byte)
		pool.Put(h)
		pool.Put(g)
		pool.Put(f)
		pool.Put(e)
		pool.Put(d)
		pool.Put(c)
		pool.Put(b)
		pool.Put(a)
	}
}

func overflow(pool *sync.Pool, pairs int64) {
	held := make([]*[]byte, 0, burst)
	for ; pairs > 0; pairs -= burst {
		for i := 0; i < burst; i++ {
			held = append(held, pool.Get().(*[]byte))
		}
		for len(held) > 0 {
			last := len(held) - 1
			pool.Put(held[last])
			held = held[:last]
		}
	}
}

// starvation is Go's BenchmarkPoolStarvation: its pool has no New.
func starvation(pool *sync.Pool, rounds int64) {
	for ; rounds > 0; rounds-- {
		for i := 0; i < burst-starved; i++ {
			pool.Put(1)
		}
		for i := 0; i < burst; i++ {
			pool.Get()
		}
	}
}

// batch is how many items migration hands over at once.
const batch = 128

// migration takes items here and puts them there.
func migration(pool *sync.Pool, items int64) float64 {
	there := make(chan []any, 8)
	back := make(chan []any, 8)
	for i := 0; i < 8; i++ {
		back <- make([]any, 0, batch)
	}
	batches := (items + batch - 1) / batch
	start := cpu(processClock)
	go func() {
		for i := int64(0); i < batches; i++ {
			full := <-back
			for j := 0; j < batch; j++ {
				full = append(full, pool.Get())
			}
			there <- full
		}
	}()
	for i := int64(0); i < batches; i++ {
		full := <-there
		for j := range full {
			pool.Put(full[j])
			full[j] = nil
		}
		back <- full[:0]
	}
	return float64(cpu(processClock)-start) / float64(batches*batch)
}

var (
	kept int64
	sink []byte
)

// expensive is Go's BenchmarkPoolExpensiveNew, whose New sleeps for a millisecond. Here it is counted and not
// slept, so that the figure does not depend on what else the machine does.
func expensive(pool *sync.Pool, rounds int64) {
	items := make([]any, burst)
	var work []byte
	for ; rounds > 0; rounds-- {
		for i := range items {
			items[i] = pool.Get()
			work = make([]byte, 32<<10)
		}
		for i, item := range items {
			pool.Put(item)
			items[i] = nil
		}
	}
	_ = work
}

// first is the first Put and Get of each of many pools.
func first(pools int64) float64 {
	fresh := make([]sync.Pool, pools)
	return alone(pools, func(int64) {
		for i := range fresh {
			fresh[i].Put(1)
			fresh[i].Get()
		}
	})
}

// resident is this process's resident memory, in MiB.
func resident() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	var size, pages float64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		panic(err)
	}
	return pages * 4096 / (1 << 20)
}

type block [size]byte

// memory is the burst of 64 goroutines with 1,000 blocks each, and what two collections leave of it. Each collection
// also returns what it can to the system at once, which an idle program would do over minutes.
func memory() {
	sink = nil
	debug.FreeOSMemory()
	start := resident()
	note := func() { fmt.Printf("%.3f\n", resident()-start) }
	note()
	pool := sync.Pool{New: func() any { return new(block) }}
	var taken, put sync.WaitGroup
	full := make(chan struct{})
	over := make(chan struct{})
	for g := 0; g < 64; g++ {
		taken.Add(1)
		put.Add(1)
		go func() {
			held := make([]*block, 0, 1000)
			for i := 0; i < 1000; i++ {
				item := pool.Get().(*block)
				item[0] = 1
				held = append(held, item)
			}
			taken.Done()
			<-full
			for i, item := range held {
				pool.Put(item)
				held[i] = nil
			}
			held = nil
			put.Done()
			<-over
		}()
	}
	taken.Wait()
	note()
	close(full)
	put.Wait()
	note()
	for i := 0; i < 2; i++ {
		debug.FreeOSMemory()
		note()
	}
	close(over)
}

// life is eight goroutines that go on all the time and for a while need fifty times as much.
func life() {
	const (
		workers = 8
		moments = 60
		calls   = 16
	)
	need := func(moment int) int {
		if moment >= 15 && moment < 20 {
			return 1000
		}
		return 20
	}
	debug.FreeOSMemory()
	// The collector runs when we ask for it, as the generation turns in the others.
	debug.SetGCPercent(-1)
	start := resident()
	pool := sync.Pool{New: func() any { return new(block) }}
	for moment := 0; moment < moments; moment++ {
		var together, done sync.WaitGroup
		together.Add(workers)
		for g := 0; g < workers; g++ {
			done.Add(1)
			go func(count int) {
				for call := 0; call < calls; call++ {
					held := make([]*block, 0, count)
					for i := 0; i < count; i++ {
						item := pool.Get().(*block)
						item[0] = 1
						held = append(held, item)
					}
					if call == 0 {
						together.Done()
						together.Wait()
					}
					for _, item := range held {
						pool.Put(item)
					}
				}
				done.Done()
			}(need(moment))
		}
		done.Wait()
		if moment%5 == 4 {
			debug.FreeOSMemory()
		}
		fmt.Printf("%.3f\n", resident()-start)
	}
}

type config struct{ limit, other int }

func load(value *atomic.Value, loads int64) {
	sum := 0
	for ; loads > 0; loads-- {
		sum += value.Load().(*config).limit
	}
	atomic.AddInt64(&kept, int64(sum))
}

func store(value *atomic.Value, stores int64) {
	for ; stores > 0; stores-- {
		value.Store(&config{limit: 1})
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "memory" {
		memory()
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "life" {
		life()
		return
	}
	runtime.GOMAXPROCS(2)
	pool := newPool()
	// As in the benchmark that this follows: so that the collector runs at reasonable times.
	sink = make([]byte, 8<<20)
	var value atomic.Value
	value.Store(&config{limit: 1})
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var name string
		var goroutines int
		var operations int64
		if _, err := fmt.Sscan(input.Text(), &name, &goroutines, &operations); err != nil {
			panic(err)
		}
		made = 0
		var cost float64
		switch name {
		case "hot":
			work := func(n int64) { hot(pool, n) }
			if goroutines == 1 {
				cost = alone(operations, work)
			} else {
				cost = together(goroutines, operations, work)
			}
		case "nested":
			cost = alone(operations, func(n int64) { nested(pool, n) })
		case "burst":
			cost = alone(operations, func(n int64) { overflow(pool, n) })
		case "starvation":
			fresh := new(sync.Pool)
			cost = together(goroutines, operations, func(n int64) { starvation(fresh, n) })
		case "migration":
			cost = migration(newPool(), operations)
		case "expensive":
			fresh := newPool()
			cost = together(goroutines, operations, func(n int64) { expensive(fresh, n) })
		case "first":
			cost = first(operations)
		case "miss":
			empty := new(sync.Pool)
			cost = alone(operations, func(n int64) {
				for ; n > 0; n-- {
					empty.Get()
				}
			})
		case "load":
			work := func(n int64) { load(&value, n) }
			if goroutines == 1 {
				cost = alone(operations, work)
			} else {
				cost = together(goroutines, operations, work)
			}
		case "store":
			cost = alone(operations, func(n int64) { store(&value, n) })
		default:
			panic("unknown workload " + name)
		}
		fmt.Println(cost, made)
	}
}
