# Sourced, not run: an apt of a script's own, which knows one suite and no installed package, so that the machine's own
# lists stay as they are. The mirrors are the machine's own; which of them carries Debian shows when it is asked.

# own_apt FOLDER ARCHITECTURE: from here on apt works in the folder; $mirrors are the machine's.
own_apt() {
	mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
	: >"$1/status"
	cat >"$1/apt.conf" <<-END
		Dir::State "$1";
		Dir::State::status "$1/status";
		Dir::Cache "$1/cache";
		Dir::Etc::sourcelist "$1/sources.list";
		Dir::Etc::sourceparts "-";
		APT::Architecture "$2";
		APT::Architectures { "$2"; };
		Acquire::Languages "none";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
	END
	mirrors=$(apt-get indextargets --format "\$(SITE)" | sort -u) # before there is another configuration
	export APT_CONFIG="$1/apt.conf"
}

# use_mirror FOLDER MIRROR SUITE: what the suite holds there, or false; what apt said is in FOLDER/log.
use_mirror() {
	echo "deb $2 $3 main" >"$1/sources.list"
	apt-get update -q >"$1/log" 2>&1
}
