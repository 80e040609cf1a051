package bpf_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/kerntap/kerntap/internal/bpf"
)

func TestProgramsAreListedInTheOrderOfRegistration(t *testing.T) {
	manager, _ := manage(t, newFake("z"), newFake("a"), newFake("m"))
	if got := manager.ListPrograms(); !slices.Equal(got, []string{"z", "a", "m"}) {
		t.Errorf("listed %v", got)
	}
	var names []string
	for _, status := range manager.Statuses() {
		names = append(names, status.Name)
	}
	if !slices.Equal(names, []string{"z", "a", "m"}) {
		t.Errorf("statuses of %v", names)
	}
}

func TestProgramsAreFoundByName(t *testing.T) {
	a := newFake("a")
	manager, _ := manage(t, a)
	if got, ok := manager.GetProgram("a"); !ok || got != bpf.BPFProgram(a) {
		t.Errorf("found %v, %v", got, ok)
	}
	if got, ok := manager.GetProgram("b"); ok || got != nil {
		t.Errorf("found %v where there is none", got)
	}
}

func TestARegistrationThatCannotBeIsRefused(t *testing.T) {
	manager, _ := manage(t, newFake("a"))
	if err := manager.RegisterProgram(nil); err == nil {
		t.Error("nil was registered")
	}
	if err := manager.RegisterProgram(newFake("a")); err == nil || !strings.Contains(err.Error(), "a: the name is taken") {
		t.Errorf("a second program of the same name: %v", err)
	}
	if got := manager.ListPrograms(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("listed %v", got)
	}
}

func TestAManagerWithoutProgramsHasNothingToRun(t *testing.T) {
	manager := bpf.NewManager()
	for name, step := range map[string]func() error{
		"load": manager.LoadAll, "attach": manager.AttachAll, "start": manager.StartAll,
	} {
		if err := step(); !errors.Is(err, bpf.ErrNoProgram) {
			t.Errorf("%s: %v, want ErrNoProgram", name, err)
		}
	}
	if err := manager.StopAll(); err != nil {
		t.Error(err)
	}
}

// refusal is an error that says which verb was refused.
type refusal struct{ verb string }

func (r *refusal) Error() string { return "cannot " + r.verb }

func TestOneProgramsFailureIsItsOwn(t *testing.T) {
	for _, verb := range []string{"load", "attach", "start"} {
		t.Run("it cannot "+verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, broken, last := newFake("first"), newFake("broken"), newFake("last")
				broken.fails[verb] = &refusal{verb}
				manager, journal := manage(t, first, broken, last)
				consumer := collect(manager)
				err := run(manager)
				var refused *refusal
				if !errors.As(err, &refused) || refused.verb != verb || errors.Is(err, bpf.ErrNoProgram) {
					t.Errorf("error %v, want that of the one that failed alone", err)
				}
				for i := range 50 {
					first.emit()
					if i%2 == 0 {
						last.emit()
					}
				}
				if err := manager.StopAll(); err != nil {
					t.Error(err)
				}
				if got := consumer.perType(); got["first"] != 50 || got["last"] != 25 || len(got) != 2 {
					t.Errorf("delivered %v", got)
				}
				tried := journal.all()
				after := tried[slices.Index(tried, verb+" broken")+1:]
				after = slices.DeleteFunc(after, func(line string) bool { return !strings.HasSuffix(line, " broken") })
				if !slices.Equal(after, []string{"stop broken"}) {
					t.Errorf("after its failure the broken one was asked to %v", after)
				}
			})
		})
	}
}

func TestEveryFailureIsInTheJoinedError(t *testing.T) {
	a, b, c := newFake("a"), newFake("b"), newFake("c")
	a.fails["load"], b.fails["load"], c.fails["attach"] = errors.New("a fails"), errors.New("b fails"), errors.New("c fails")
	manager, _ := manage(t, a, b, c)
	err := manager.LoadAll()
	if !errors.Is(err, a.fails["load"]) || !errors.Is(err, b.fails["load"]) || errors.Is(err, bpf.ErrNoProgram) {
		t.Errorf("load: %v, want both failures, and one program left", err)
	}
	err = manager.AttachAll()
	if !errors.Is(err, c.fails["attach"]) || !errors.Is(err, bpf.ErrNoProgram) || errors.Is(err, a.fails["load"]) {
		t.Errorf("attach: %v, want the last failure, and no program left", err)
	}
	if err := manager.StartAll(); !errors.Is(err, bpf.ErrNoProgram) {
		t.Errorf("start: %v, want ErrNoProgram", err)
	}
	if err := manager.StopAll(); err != nil {
		t.Error(err)
	}
}

func TestAProgramWhoseReaderEndsLeavesTheOthersRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		short, long := newFake("short"), newFake("long")
		manager := started(t, short, long)
		consumer := collect(manager)
		short.emit()
		short.end()
		synctest.Wait()
		for range 10 {
			long.emit()
		}
		if short.emit() || short.IsRunning() || !long.IsRunning() {
			t.Error("the wrong program runs")
		}
		if err := manager.StopAll(); err != nil {
			t.Error(err)
		}
		if got := consumer.perType(); got["short"] != 1 || got["long"] != 10 {
			t.Errorf("delivered %v, want 1 of short and 10 of long", got)
		}
	})
}

func TestALaterProgramCanJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, later := newFake("first"), newFake("later")
		manager := started(t, first)
		consumer := collect(manager)
		if err := manager.RegisterProgram(later); err != nil {
			t.Fatal(err)
		}
		later.journal = first.journal
		if err := run(manager); err != nil {
			t.Fatal(err)
		}
		later.emit()
		first.emit()
		if err := manager.StopAll(); err != nil {
			t.Error(err)
		}
		if got := consumer.perType(); got["first"] != 1 || got["later"] != 1 {
			t.Errorf("delivered %v", got)
		}
		want := []string{"load first", "attach first", "start first", "load later", "attach later", "start later",
			"stop later", "stop first"}
		if got := first.journal.all(); !slices.Equal(got, want) {
			t.Errorf("asked to %v, want %v", got, want)
		}
	})
}
