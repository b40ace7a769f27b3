// Command testsum reads "go test -json" and prints what a person wants of it:
// the output of what failed or was skipped, and one line that counts.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

type event struct {
	Action, Package, Test, Output string
}

type key struct{ pkg, test string }

func main() {
	var passed, failed, skipped int
	output := map[key][]string{}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Fprintln(os.Stderr, in.Text())
			continue
		}
		k := key{e.Package, e.Test}
		switch e.Action {
		case "output", "build-output":
			output[k] = append(output[k], e.Output)
			continue
		case "pass":
			if e.Test != "" {
				passed++
			}
		case "skip":
			if e.Test != "" {
				skipped++
				show(output[k])
			}
		case "fail":
			if e.Test != "" {
				failed++
			} else {
				showUnended(output, e.Package)
			}
			show(output[k])
		case "build-fail":
			failed++
			show(output[k])
		}
		delete(output, k)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	if failed > 0 {
		os.Exit(1)
	}
}

// showUnended prints what the tests said that never ended, as when their
// process died: that is where a panic is.
func showUnended(output map[key][]string, pkg string) {
	for k, lines := range output {
		if k.pkg == pkg && k.test != "" {
			show(lines)
		}
	}
}

func show(lines []string) {
	for _, l := range lines {
		fmt.Fprint(os.Stderr, l)
	}
}
