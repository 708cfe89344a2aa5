package riverrun.bench;

import java.nio.file.Path;

/** Where everything is. */
record Arguments(String host, String port, String database, String user, String brokers, Path folder, String slot) {
    static final String USAGE = "usage: HOST PORT DATABASE USER BROKERS FOLDER SLOT";
    static final int COUNT = 7;

    static Arguments of(String[] words) {
        return new Arguments(words[0], words[1], words[2], words[3], words[4], Path.of(words[5]), words[6]);
    }
}
