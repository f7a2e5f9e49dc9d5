// Writes what the reference parser says of captions, one JSON object a line: the input of captions.py pack.
//
// Compile and run against stanford-parser.jar 3.6.0 and its englishPCFG model, which are not part of this project:
//   javac -cp stanford-parser.jar -d build scripts/spice/Parses.java
//   java -cp build:stanford-parser.jar:stanford-parser-3.6.0-models.jar:slf4j-api.jar:ejml.jar Parses < captions.txt >
// parses.jsonl
import edu.stanford.nlp.ling.CoreLabel;
import edu.stanford.nlp.ling.TaggedWord;
import edu.stanford.nlp.parser.lexparser.LexicalizedParser;
import edu.stanford.nlp.parser.lexparser.LexicalizedParserQuery;
import edu.stanford.nlp.process.CoreLabelTokenFactory;
import edu.stanford.nlp.process.Morphology;
import edu.stanford.nlp.process.PTBTokenizer;
import edu.stanford.nlp.trees.GrammaticalStructure;
import edu.stanford.nlp.trees.Tree;
import edu.stanford.nlp.trees.TypedDependency;
import edu.stanford.nlp.trees.UniversalEnglishGrammaticalStructureFactory;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.StringReader;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

public class Parses {
    private static final int LONGEST = 60;

    private static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }

    private static String list(java.util.stream.Stream<String> texts) {
        return texts.collect(Collectors.joining(",", "[", "]"));
    }

    // A tree as [symbol, word], [symbol, part] or [symbol, part, part].
    private static String nested(Tree tree) {
        if (tree.isLeaf()) {
            return quoted(tree.value());
        }
        return list(java.util.stream.Stream.concat(
            java.util.stream.Stream.of(quoted(tree.value())), tree.getChildrenAsList().stream().map(Parses::nested)));
    }

    public static void main(String[] arguments) throws Exception {
        LexicalizedParser parser = LexicalizedParser.loadModel("edu/stanford/nlp/models/lexparser/englishPCFG.ser.gz");
        UniversalEnglishGrammaticalStructureFactory structures = new UniversalEnglishGrammaticalStructureFactory();
        Morphology morphology = new Morphology();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        for (String caption = in.readLine(); caption != null; caption = in.readLine()) {
            List<CoreLabel> tokens =
                new PTBTokenizer<>(new StringReader(caption), new CoreLabelTokenFactory(), "").tokenize();
            if (tokens.isEmpty() || tokens.size() > LONGEST) {
                continue;
            }
            LexicalizedParserQuery query = (LexicalizedParserQuery) parser.parserQuery();
            if (!query.parse(tokens)) {
                continue;
            }
            Tree tree = query.getBestPCFGParse();
            // As the grammar derives it; above it are the root and the end of the sentence.
            Tree derivation = query.getPCFGParser().getBestParse().firstChild();
            GrammaticalStructure structure = structures.newGrammaticalStructure(tree);
            List<TypedDependency> dependencies =
                structure.typedDependenciesCCprocessed(GrammaticalStructure.Extras.NONE);
            List<TaggedWord> tags = tree.taggedYield();
            out.println("{\"caption\":" + quoted(caption) + ",\"sentences\":[{\"tokens\":"
                + list(tokens.stream().map(token -> quoted(token.word())))
                + ",\"tags\":" + list(tags.stream().map(tag -> quoted(tag.tag())))
                + ",\"lemmas\":" + list(IntStream.range(0, tags.size())
                    .mapToObj(i -> quoted(morphology.lemma(tokens.get(i).word(), tags.get(i).tag()))))
                + ",\"deps\":" + list(dependencies.stream()
                    .map(d -> "[" + quoted(d.reln().toString()) + "," + d.gov().index() + "," + d.dep().index() + "]"))
                + ",\"tree\":" + nested(derivation)
                + "}]}");
        }
        out.flush();
    }
}
