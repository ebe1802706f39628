import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.hl7.fhir.r5.elementmodel.Manager.FhirFormat;
import org.hl7.fhir.r5.utils.validation.constants.ReferenceValidationPolicy;
import org.hl7.fhir.utilities.ByteProvider;
import org.hl7.fhir.utilities.FhirPublication;
import org.hl7.fhir.utilities.http.ManagedWebAccess;
import org.hl7.fhir.utilities.json.model.JsonArray;
import org.hl7.fhir.utilities.json.model.JsonObject;
import org.hl7.fhir.utilities.json.parser.JsonParser;
import org.hl7.fhir.utilities.validation.ValidationMessage;
import org.hl7.fhir.validation.IgLoader;
import org.hl7.fhir.validation.ValidationEngine;
import org.hl7.fhir.validation.ValidationRecord;
import org.hl7.fhir.validation.instance.advisor.BasePolicyAdvisorForFullValidation;
import org.hl7.fhir.validation.service.model.InstanceValidatorParameters;
import org.hl7.fhir.validation.service.utils.QuestionnaireMode;

/**
 * HL7's FHIR validator kept running, without network and without terminology server.
 *
 * <p>Arguments: what to load, packages as id#version or files of our own definitions. Standard input: one resource a
 * line, FILE[TAB profile]…. Standard output: {"ready":true}, then one JSON line per resource: file, issues (severity,
 * id, at, text), and exception where the validator itself failed.
 */
public class Validate {
  public static void main(String[] definitions) throws Exception {
    PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    // The engine reports its progress on standard output, which is ours.
    System.setOut(System.err);
    ManagedWebAccess.setAccessPolicy(ManagedWebAccess.WebAccessPolicy.PROHIBITED);
    ValidationEngine engine = prepare(definitions);
    answers.println("{\"ready\":true}");
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = lines.readLine()) != null; ) {
      List<String> fields = List.of(line.split("\t"));
      answers.println(JsonParser.compose(validate(engine, fields.get(0), fields.subList(1, fields.size())), false));
    }
  }

  private static ValidationEngine prepare(String[] definitions) throws Exception {
    ValidationEngine engine =
        new ValidationEngine.ValidationEngineBuilder()
            .withVersion("4.0.1")
            .withNoTerminologyServer()
            .withCanRunWithoutTerminologyServer(true)
            .fromSource("hl7.fhir.r4.core#4.0.1");
    IgLoader loader = new IgLoader(engine.getPcm(), engine.getContext(), "4.0.1");
    for (String definition : definitions) {
      loader.loadIg(engine.getIgs(), engine.getBinaries(), definition, true);
    }
    // As "-tx n/a" does; without it the engine ends in a NullPointerException.
    engine.setTerminologyServer(null, null, FhirPublication.R4, false);
    engine.setPolicyAdvisor(new BasePolicyAdvisorForFullValidation(ReferenceValidationPolicy.IGNORE, null));
    engine.prepare();
    return engine;
  }

  private static JsonObject validate(ValidationEngine engine, String file, List<String> profiles) {
    InstanceValidatorParameters parameters =
        new InstanceValidatorParameters()
            .setAssumeValidRestReferences(true)
            .setQuestionnaireMode(QuestionnaireMode.CHECK)
            .setAllowExampleUrls(true)
            .setProfiles(profiles);
    JsonObject answer = new JsonObject();
    answer.add("file", file);
    List<ValidationRecord> records = new ArrayList<>();
    try {
      ByteProvider content = ByteProvider.forBytes(Files.readAllBytes(Path.of(file)));
      engine.validate(file, content, FhirFormat.JSON, parameters, records);
    } catch (Exception failure) {
      answer.add("exception", failure.toString());
    }
    JsonArray issues = new JsonArray();
    for (ValidationRecord record : records) {
      for (ValidationMessage message : record.getMessages()) {
        JsonObject issue = new JsonObject();
        issue.add("severity", message.getLevel().toCode());
        issue.add("id", message.getMessageId());
        issue.add("at", message.getLocation());
        issue.add("text", message.getMessage());
        issues.add(issue);
      }
    }
    answer.add("issues", issues);
    return answer;
  }
}
